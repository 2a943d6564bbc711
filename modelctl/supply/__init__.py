"""The supply chain of an image: bill of materials, provenance and known vulnerabilities.

Run by the make targets `sbom`, `provenance` and `scan`, locally and in workflows. cosign signs
images, with make targets of its own. Independent of environments and clusters.
"""
