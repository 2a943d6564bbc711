"""A running service as its clients see it: serve a bundle here, ask one anywhere."""
