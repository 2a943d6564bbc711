"""Is an image still there? One HEAD of its manifest through the registry's HTTP API.

Reads public registries and those inside a network; has no credentials and asks for none. What it
cannot find out it says, because a wrong alarm would be ignored the next time.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from enum import Enum

TIMEOUT_SECONDS = 5
ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
NOT_FOUND, UNAUTHORISED = 404, (401, 403)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Presence(Enum):
    """What a registry says of an image."""

    THERE = "there"
    GONE = "gone"
    UNKNOWN = "unknown"


def look(repository: str, reference: str) -> tuple[Presence, str]:
    """Whether the registry has an image by its digest or tag, and for `unknown` the reason."""
    host, _, name = repository.partition("/")
    path = f"/v2/{name}/manifests/{reference}"
    reason = ""
    # A registry inside a network often has no certificate; nothing secret is sent either way.
    for scheme in ("https", "http"):
        try:
            return _head(f"{scheme}://{host}{path}", "")
        except urllib.error.HTTPError as error:
            if error.code not in UNAUTHORISED:
                return Presence.UNKNOWN, f"{host} answers {error.code}"
            return _with_token(f"{scheme}://{host}{path}", error)
        except (OSError, http.client.HTTPException) as error:
            reason = reason or f"{host} does not answer: {getattr(error, 'reason', error)}"
    return Presence.UNKNOWN, reason


def _head(url: str, token: str) -> tuple[Presence, str]:
    headers = {"Accept": ACCEPT, **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, method="HEAD", headers=headers)  # noqa: S310 - http(s)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310
            return Presence.THERE, ""
    except urllib.error.HTTPError as error:
        if error.code == NOT_FOUND:
            return Presence.GONE, ""
        raise


def _with_token(url: str, refused: urllib.error.HTTPError) -> tuple[Presence, str]:
    """Public registries hand an anonymous token to whoever asks; private ones want credentials."""
    host = urllib.parse.urlsplit(url).netloc
    private = Presence.UNKNOWN, f"{host} wants credentials"
    asked = dict(_PARAMETER.findall(refused.headers.get("WWW-Authenticate", "")))
    realm = asked.pop("realm", "")
    if not realm.startswith("https://"):
        return private
    try:
        question = f"{realm}?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(question, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            content = json.load(answer)
        return _head(url, content.get("token") or content.get("access_token", ""))
    except (OSError, http.client.HTTPException, ValueError):
        return private
