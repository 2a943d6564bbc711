"""Self-contained pages from `templates/`, all in one style; must not know what they show."""

from __future__ import annotations

from importlib import resources
from string import Template


def fill(name: str, **parts: str) -> str:
    """The page of that template with its parts, which are HTML already, and the common style."""
    folder = resources.files("modelctl") / "templates"
    style = (folder / "page.css").read_text(encoding="utf-8")
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    return Template(page).substitute(parts, style=style)
