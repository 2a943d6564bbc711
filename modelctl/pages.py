"""Self-contained HTML pages from `templates/` with one shared style; independent of their data."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template


def fill(name: str, **parts: str) -> str:
    """Fill the template of that name with its parts, which are already HTML, and the style."""
    folder = resources.files("modelctl") / "templates"
    style = (folder / "page.css").read_text(encoding="utf-8")
    page = (folder / f"{name}.html").read_text(encoding="utf-8")
    return Template(page).substitute(parts, style=style)


def badge(text: str, colour: str) -> str:
    """A coloured label; `colour` is a class of `templates/page.css`."""
    return f'<span class="badge {colour}">{escape(text)}</span>'
