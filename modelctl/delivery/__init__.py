"""Transitions and experiments: what the numbers of two arms prove."""
