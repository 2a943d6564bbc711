"""Generates checked-in files: reference pages, schemas, CODEOWNERS. `python -m modelctl.docs`."""
