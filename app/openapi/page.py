"""GET /docs: one static page to try the model, and its Content-Security-Policy.

The page builds its form from /openapi.json, so it is the same file for every model. It loads
nothing from elsewhere: the policy allows its one style and one script by hash, and requests to its
own origin only.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent / "page.html"
CONTENT_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Page:
    """The page and the headers to send with it."""

    body: bytes
    headers: dict[str, str]


def load() -> Page:
    """Read the page once, at start-up."""
    text = PAGE.read_text(encoding="utf-8")
    policy = {
        "default-src": "'none'",
        "style-src": _hash_of("style", text),
        "script-src": _hash_of("script", text),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{key} {value}" for key, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
    return Page(text.encode(), headers)


def _hash_of(tag: str, text: str) -> str:
    """The hash of the only inline element of this kind, as a CSP source."""
    (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
