"""Generates what is checked in: reference pages, schemas, CODEOWNERS. `python -m modelctl.docs`."""
