"""One thin module for each command: parse, call, print."""
