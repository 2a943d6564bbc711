"""What an image consists of, where it comes from, and what is known to be wrong with it.

Run by make targets (`sbom`, `provenance`, `scan`), on a laptop as in a workflow. Signing is done by
cosign and has targets of its own. Must not know environments or clusters.
"""
