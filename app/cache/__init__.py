"""The prediction cache: validated rows -> what the engine answered for exactly the same rows.

Knows no protocol: every one of them has its rows in the same Batch.
"""
