"""GET /docs: one static page that tries the model, and the policy that keeps it to itself.

The page reads /openapi.json and builds its form from that, so it is the same file for every model.
Nothing is loaded from anywhere else: its one style and one script are allowed by their hashes, and
requests may go to its own origin only.
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
    """The bytes of the page, and the headers it must be sent with."""

    body: bytes
    headers: dict[str, str]


def load() -> Page:
    """Read the page once, at start."""
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
