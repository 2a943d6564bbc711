"""What runs: kubectl, status, waiting, and what pods need to start; sets up an existing Argo CD."""
