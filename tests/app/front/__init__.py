"""Tests of the front: bytes, connections, and what they may hold."""
