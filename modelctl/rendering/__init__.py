"""What git says as Kubernetes objects: charts, renders, diffs, and files generated from them."""
