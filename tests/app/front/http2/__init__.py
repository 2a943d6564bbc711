"""Tests of HTTP/2: frames in and out without a socket, and clients of others against a service."""
