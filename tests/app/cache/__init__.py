"""The prediction cache without a shared store."""
