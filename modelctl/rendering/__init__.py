"""Releases as Kubernetes objects: charts, rendered manifests, diffs, and files made from them."""
