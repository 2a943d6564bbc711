"""A real Kubernetes node with a real Argo CD on one Linux machine, without Docker."""
