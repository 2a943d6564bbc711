"""The one error of the tools: what, found, expected, fix."""

from __future__ import annotations


class ToolsError(Exception):
    """Something the user can act on; the optional parts stand on lines of their own."""

    def __init__(self, what: str, *, found: str = "", expected: str = "", fix: str = "") -> None:
        parts = [("expected", expected), ("found", found), ("fix", fix)]
        super().__init__("\n".join([what, *(f"  {name}: {text}" for name, text in parts if text)]))
