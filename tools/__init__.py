"""Pinned command-line tools, built on first use from their Go modules; standard library only."""
