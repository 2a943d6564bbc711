"""Batch: predict files part by part, each row once, by the contract and engine of the service."""

# Rows of a part, and rows that are predicted at a time, unless a plan is asked for others.
SHARD_ROWS = 1_000_000
CHUNK_ROWS = 10_000
