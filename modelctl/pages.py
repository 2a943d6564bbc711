"""Self-contained HTML pages from `templates/` with one shared style; independent of their data."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template


def fill(name: str, *, title: str, base: str = "", **parts: str) -> str:
    """Fill the page `templates/NAME.html`; title and parts are already HTML.

    Its style is NAME.css, after BASE.css, which it may share with others.
    """
    styles = ["page", base, name] if base else ["page", name]
    return _fill(
        "page.html",
        title=title,
        style="".join(_read(f"{style}.css") for style in styles),
        body=_fill(f"{name}.html", title=title, **parts),
    )


def badge(text: str, colour: str) -> str:
    """A coloured label; `colour` is a class of `templates/page.css`."""
    return f'<span class="badge {colour}">{escape(text)}</span>'


def _fill(template: str, **parts: str) -> str:
    return Template(_read(template)).substitute(parts)


def _read(name: str) -> str:
    return (resources.files("modelctl") / "templates" / name).read_text(encoding="utf-8")
