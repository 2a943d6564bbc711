"""Serve a bundle locally, and the client of a running service."""
