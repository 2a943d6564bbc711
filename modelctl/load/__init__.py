"""Load tests of a running service: requests at a fixed rate, whatever the service does."""
