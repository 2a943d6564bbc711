"""Check whether an image still exists, by requests for its manifest.

Reads public and cluster-internal registries, without credentials. Only answers that prove to come
from a registry count: proxies, captive portals and strangers answer 200 and 404 too. Reports what
it cannot determine as unknown, because false alarms lead to ignored warnings.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

TIMEOUT_SECONDS = 5
MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ERROR_BYTES = 64 << 10
FOUND, NOT_FOUND, UNAUTHORIZED = 200, 404, (401, 403)
# The distribution specification's codes of a missing manifest and a missing repository.
MANIFEST_UNKNOWN, NAME_UNKNOWN = "MANIFEST_UNKNOWN", "NAME_UNKNOWN"
# Sent by most registries with every answer. Harbor answers 404 with a code of its own, NOT_FOUND.
VERSION_HEADER, VERSION = "Docker-Distribution-Api-Version", "registry/2.0"
# The registry of images of Docker Hub answers under another name.
HOSTS = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Presence(Enum):
    """Whether an artifact exists."""

    THERE = "there"
    GONE = "gone"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class _Answer:
    """A response to HEAD, or to GET if `body` is not empty."""

    status: int
    headers: Message
    body: bytes = b""

    @property
    def codes(self) -> set[str]:
        """The error codes of the body, as the distribution specification writes them."""
        try:
            errors = json.loads(self.body)["errors"]
            return {str(error["code"]) for error in errors}
        except (ValueError, LookupError, TypeError):
            return set()

    @property
    def is_from_registry(self) -> bool:
        """Whether the server claims the registry API in a header, which is optional."""
        return self.headers.get(VERSION_HEADER, "") == VERSION


def check(repository: str, reference: str) -> tuple[Presence, str]:
    """Whether the registry has an image of that digest or tag, and for `unknown` the reason."""
    host, _, name = repository.partition("/")
    path = f"/v2/{name}/manifests/{reference}"
    reason = ""
    host = HOSTS.get(host, host)
    # A cluster-internal registry often has no certificate; no secret is sent either way.
    for scheme in ("https", "http"):
        url = f"{scheme}://{host}{path}"
        try:
            answer = _ask(url, "HEAD")
            token = ""
            if answer.status in UNAUTHORIZED:
                token = _anonymous_token(answer)
                if not token:
                    return Presence.UNKNOWN, http_reason(host, answer.status)
                answer = _ask(url, "HEAD", token)
            if answer.status == NOT_FOUND:  # only the answer to GET has a body that tells why
                answer = _ask(url, "GET", token)
        except (OSError, http.client.HTTPException) as error:
            reason = reason or connection_reason(host, error)
        else:
            return _judge(host, reference, answer, has_token=bool(token))
    return Presence.UNKNOWN, reason


def http_reason(host: str, status: int) -> str:
    """Why an HTTP status leaves the presence of an artifact unknown."""
    return f"{host} requires credentials" if status in UNAUTHORIZED else f"{host}: HTTP {status}"


def connection_reason(host: str, error: Exception) -> str:
    """Why a failed connection leaves the presence of an artifact unknown."""
    return f"{host} is not reachable: {getattr(error, 'reason', error)}"


def _judge(host: str, reference: str, answer: _Answer, *, has_token: bool) -> tuple[Presence, str]:
    if answer.status == FOUND:
        digest = answer.headers.get("Docker-Content-Digest", "")
        is_same = not digest or ":" not in reference or digest == reference
        if answer.headers.get_content_type() in MANIFEST_TYPES and is_same:
            return Presence.THERE, ""
        return Presence.UNKNOWN, f"{host} answered HTTP 200, but not with a manifest"
    if answer.status != NOT_FOUND:
        return Presence.UNKNOWN, http_reason(host, answer.status)
    if MANIFEST_UNKNOWN in answer.codes:
        return Presence.GONE, ""
    if NAME_UNKNOWN in answer.codes and has_token:
        # Registries with accounts hide private repositories from anonymous requests this way.
        return Presence.UNKNOWN, f"{host} does not show this repository without credentials"
    if NAME_UNKNOWN in answer.codes or answer.is_from_registry:
        return Presence.GONE, ""
    return Presence.UNKNOWN, f"{host} answered HTTP 404, but not as a registry"


def _ask(url: str, method: str, token: str = "") -> _Answer:
    headers = {
        "Accept": ", ".join(MANIFEST_TYPES),
        **({"Authorization": f"Bearer {token}"} if token else {}),
    }
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - http(s)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return _Answer(answer.status, answer.headers, answer.read(ERROR_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.headers, error.read(ERROR_BYTES))


def _anonymous_token(refused: _Answer) -> str:
    """The token that a public registry issues to anyone; empty if it requires credentials."""
    challenge = dict(_PARAMETER.findall(refused.headers.get("WWW-Authenticate", "")))
    realm = challenge.pop("realm", "")
    if not realm.startswith("https://"):
        return ""
    try:
        token_url = f"{realm}?{urllib.parse.urlencode(challenge)}"
        with urllib.request.urlopen(token_url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            content = json.load(answer)
        return str(content.get("token") or content.get("access_token", ""))
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return ""
