"""The artifacts that a version's pods pull at startup, and whether they still exist.

The image, and the bundle if it is an image volume or a download. Reads the value files instead of
rendering them, so that a rollback does not require Helm. Reports what it cannot determine as
unknown, because false alarms lead to ignored warnings.
"""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.model.bundle import digest_of
from modelctl.cluster import registry
from modelctl.cluster.registry import Presence
from modelctl.repository import release_values
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.versions import Version

MANIFEST_BYTES = 1 << 20
GONE = (404, 410)
# What object stores (S3 and its kin, Google, Azure) say of an object that is missing.
STORE_CODES = (b"<Code>NoSuchKey</Code>", b"<Code>BlobNotFound</Code>")
# The only template syntax resolved here: a value by its path.
_VALUE = re.compile(r"\{\{-?\s*\.Values\.([\w.]+)\s*-?\}\}")


@dataclass(frozen=True)
class ArtifactCheck:
    """The result for one artifact of a version: whether it exists, or why that is unknown."""

    presence: Presence
    artifact: str
    reason: str

    @property
    def note(self) -> str:
        """A warning for the user; empty if the artifact exists."""
        if self.presence is Presence.GONE:
            return f"warning: {self.reason}: new pods will not start"
        if self.presence is Presence.UNKNOWN:
            return f"could not check whether the {self.artifact} still exists: {self.reason}"
        return ""


def check(
    repository: Repository, environment: Environment, model: str, version: Version
) -> list[ArtifactCheck]:
    """Check each artifact that the version needs, with the values of that environment."""
    values = release_values.read(repository, environment, model, version)
    location, image = version.image.repository, str(version.image)
    own = release_values.text(values, "image.registry")
    if prefix := own or release_values.text(values, "global.imageRegistry"):
        location, image = f"{prefix.rstrip('/')}/{location}", f"{prefix.rstrip('/')}/{image}"
    checks = [_check_registry("image", location, version.image.digest, image)]
    if bundle := release_values.text(values, "model.imageVolume.repository"):
        # As the chart does: no tag may contain the plus sign of build metadata.
        tag = version.model.version.replace("+", "_")
        checks.append(_check_registry("bundle", bundle, tag, f"{bundle}:{tag}"))
    if url := release_values.text(values, "model.download.url"):
        serving = repository.version(environment, model) or version
        current = _filled(url, release_values.read(repository, environment, model, serving))
        download = _Download(_filled(url, values), version.model.digest)
        checks.append(download.check(_Download(current, serving.model.digest)))
    return checks


def worst_presence(checks: list[ArtifactCheck]) -> Presence:
    """The most serious result."""
    results = {check.presence for check in checks}
    order = (Presence.GONE, Presence.UNKNOWN, Presence.THERE)
    return next(presence for presence in order if presence in results)


def _check_registry(artifact: str, location: str, reference: str, name: str) -> ArtifactCheck:
    presence, reason = registry.check(location, reference)
    if presence is Presence.GONE:
        reason = f"{name} is missing from its registry"
    return ArtifactCheck(presence, artifact, reason)


@dataclass(frozen=True)
class _Download:
    """A bundle at a URL. Only public ones: the credentials of a store are in the cluster."""

    url: str
    digest: str

    def check(self, current: _Download) -> ArtifactCheck:
        """Whether it exists; a 404 of a host counts only if it has the `current` bundle."""
        if "{{" in self.url:
            return _unknown(f"{self.url} is a template that only Helm can resolve")
        scheme, _, rest = self.url.partition("://")
        if scheme not in ("http", "https"):
            return _unknown(f"{scheme}:// requires credentials")
        host = rest.partition("/")[0]
        try:
            status, body = self._get()
        except (OSError, http.client.HTTPException) as error:
            return _unknown(registry.connection_reason(host, error))
        if status in GONE:
            if any(code in body for code in STORE_CODES) or current.is_served():
                return ArtifactCheck(
                    Presence.GONE, "bundle", f"the bundle at {self.url} is missing"
                )
            return _unknown(f"{host} answered HTTP {status}, which proves nothing: not its store")
        if status != registry.FOUND:
            return _unknown(registry.http_reason(host, status))
        if not _is_manifest(body):
            return _unknown(f"{host} answered HTTP 200, but not with a bundle's manifest")
        if digest_of(body) != self.digest:
            found = f"expected {short(self.digest)}, found {short(digest_of(body))}"
            reason = f"another bundle at {self.url}: {found}"
            return ArtifactCheck(Presence.GONE, "bundle", reason)
        return ArtifactCheck(Presence.THERE, "bundle", "")

    def is_served(self) -> bool:
        """Whether its host has exactly this bundle: the proof that the host is the store."""
        try:
            status, body = self._get()
        except (OSError, http.client.HTTPException, ValueError):
            return False
        return status == registry.FOUND and digest_of(body) == self.digest

    def _get(self) -> tuple[int, bytes]:
        """The status and body of its manifest. Raises OSError or HTTPException."""
        address = f"{self.url.rstrip('/')}/manifest.json"
        try:
            with urllib.request.urlopen(address, timeout=registry.TIMEOUT_SECONDS) as answer:  # noqa: S310 - http(s), see above
                return answer.status, answer.read(MANIFEST_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(MANIFEST_BYTES)


def _is_manifest(body: bytes) -> bool:
    try:
        return "name" in json.loads(body)
    except (ValueError, TypeError):
        return False


def _unknown(reason: str) -> ArtifactCheck:
    return ArtifactCheck(Presence.UNKNOWN, "bundle", reason)


def _filled(url: str, values: dict[str, Any]) -> str:
    return _VALUE.sub(lambda match: release_values.text(values, match[1]) or match[0], url)
