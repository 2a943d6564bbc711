"""The command that people and workflows use: package, verify, serve, promote, see what runs."""
