"""The prediction cache with a real Redis, in whatever state it is."""
