"""Check whether an image still exists, by a HEAD request for its manifest.

Reads public and cluster-internal registries, without credentials. Reports what it cannot determine
as unknown, because false alarms lead to ignored warnings.
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
NOT_FOUND, UNAUTHORIZED = 404, (401, 403)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Presence(Enum):
    """Whether an artifact exists."""

    THERE = "there"
    GONE = "gone"
    UNKNOWN = "unknown"


def check(repository: str, reference: str) -> tuple[Presence, str]:
    """Whether the registry has an image of that digest or tag, and for `unknown` the reason."""
    host, _, name = repository.partition("/")
    path = f"/v2/{name}/manifests/{reference}"
    reason = ""
    # A cluster-internal registry often has no certificate; no secret is sent either way.
    for scheme in ("https", "http"):
        try:
            return _head(f"{scheme}://{host}{path}", "")
        except urllib.error.HTTPError as error:
            if error.code not in UNAUTHORIZED:
                return Presence.UNKNOWN, http_reason(host, error.code)
            return _with_token(f"{scheme}://{host}{path}", error)
        except (OSError, http.client.HTTPException) as error:
            reason = reason or connection_reason(host, error)
    return Presence.UNKNOWN, reason


def http_reason(host: str, status: int) -> str:
    """Why an HTTP status leaves the presence of an artifact unknown."""
    return f"{host} requires credentials" if status in UNAUTHORIZED else f"{host}: HTTP {status}"


def connection_reason(host: str, error: Exception) -> str:
    """Why a failed connection leaves the presence of an artifact unknown."""
    return f"{host} is not reachable: {getattr(error, 'reason', error)}"


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
    """Public registries issue an anonymous token; private ones require credentials."""
    host = urllib.parse.urlsplit(url).netloc
    private = Presence.UNKNOWN, http_reason(host, refused.code)
    challenge = dict(_PARAMETER.findall(refused.headers.get("WWW-Authenticate", "")))
    realm = challenge.pop("realm", "")
    if not realm.startswith("https://"):
        return private
    try:
        token_url = f"{realm}?{urllib.parse.urlencode(challenge)}"
        with urllib.request.urlopen(token_url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            content = json.load(answer)
        return _head(url, content.get("token") or content.get("access_token", ""))
    except (OSError, http.client.HTTPException, ValueError):
        return private
