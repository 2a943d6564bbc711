"""The error of the tools: what is wrong, what was expected and found, how to fix it."""

from __future__ import annotations


class ToolsError(Exception):
    """An error for the user; the optional parts are on separate lines."""

    def __init__(self, what: str, *, found: str = "", expected: str = "", fix: str = "") -> None:
        parts = [("expected", expected), ("found", found), ("fix", fix)]
        super().__init__("\n".join([what, *(f"  {name}: {text}" for name, text in parts if text)]))
