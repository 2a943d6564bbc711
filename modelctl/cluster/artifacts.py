"""What the pods of a version fetch when they start, and whether it is still there.

The image; the bundle, where it is an image of its own or a download. Reads the value files and not
what Helm makes of them: a rollback is no time to look for Helm. What it cannot find out it says,
because a wrong alarm would be ignored the next time.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.model.bundle import digest_of
from modelctl.cluster import registry
from modelctl.cluster.registry import Presence
from modelctl.repository import yamlfile
from modelctl.repository.environments import COMMON, VALUE_FILES, short

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment, Repository, Version

MANIFEST_BYTES = 1 << 20
GONE = (404, 410)
# The one kind of template that every URL of a bundle has: a value by its name.
_VALUE = re.compile(r"\{\{-?\s*\.Values\.([\w.]+)\s*-?\}\}")


@dataclass(frozen=True)
class Finding:
    """What was found out of one thing that a version needs, in words of a sentence."""

    presence: Presence
    thing: str
    why: str

    @property
    def note(self) -> str:
        """What somebody who wants that version should know; empty when it is there."""
        if self.presence is Presence.GONE:
            return f"warning: {self.why}: new pods will not start"
        if self.presence is Presence.UNKNOWN:
            return f"could not look whether the {self.thing} is still there: {self.why}"
        return ""


def look(
    repository: Repository, environment: Environment, model: str, version: Version
) -> list[Finding]:
    """One finding for each thing that the version needs, with the values of that environment."""
    values = _values(repository, environment, model, version)
    place, image = version.image.repository, str(version.image)
    if prefix := _value(values, "image.registry") or _value(values, "global.imageRegistry"):
        place, image = f"{prefix.rstrip('/')}/{place}", f"{prefix.rstrip('/')}/{image}"
    found = [_in_registry("image", place, version.image.digest, image)]
    if bundle := _value(values, "model.imageVolume.repository"):
        tag = version.model.version
        found.append(_in_registry("bundle", bundle, tag, f"{bundle}:{tag}"))
    if url := _value(values, "model.download.url"):
        found.append(_download(_filled(url, values), version.model.digest))
    return found


def worst(found: list[Finding]) -> Presence:
    """The one word for all of them."""
    present = {finding.presence for finding in found}
    order = (Presence.GONE, Presence.UNKNOWN, Presence.THERE)
    return next(presence for presence in order if presence in present)


def _in_registry(thing: str, place: str, reference: str, name: str) -> Finding:
    presence, why = registry.look(place, reference)
    gone = presence is Presence.GONE
    return Finding(presence, thing, f"{name} is gone from its registry" if gone else why)


def _download(url: str, digest: str) -> Finding:
    """Only where anybody may read; a store's credentials are in the cluster, not here."""
    if "{{" in url:
        return Finding(Presence.UNKNOWN, "bundle", f"{url} is a template that only Helm can fill")
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https"):
        return Finding(Presence.UNKNOWN, "bundle", f"a store of {scheme}:// wants credentials")
    host, address = rest.partition("/")[0], f"{url.rstrip('/')}/manifest.json"
    try:
        with urllib.request.urlopen(address, timeout=registry.TIMEOUT_SECONDS) as answer:  # noqa: S310 - http(s), see above
            found = digest_of(answer.read(MANIFEST_BYTES))
    except urllib.error.HTTPError as error:
        if error.code in GONE:
            return Finding(Presence.GONE, "bundle", f"the bundle at {url} is gone")
        wants = error.code in registry.UNAUTHORISED
        why = "wants credentials" if wants else f"answers {error.code}"
        return Finding(Presence.UNKNOWN, "bundle", f"{host} {why}")
    except (OSError, http.client.HTTPException) as error:
        why = f"{host} does not answer: {getattr(error, 'reason', error)}"
        return Finding(Presence.UNKNOWN, "bundle", why)
    if found != digest:
        return Finding(
            Presence.GONE, "bundle", f"{url} has another bundle now, {short(found)} instead of "
            f"{short(digest)}",
        )  # fmt: skip
    return Finding(Presence.THERE, "bundle", "")


def _values(
    repository: Repository, environment: Environment, model: str, version: Version
) -> dict[str, Any]:
    """The values of a release, as Helm merges them, with that version in place of the present."""
    folder = repository.folder(environment, model)
    merged: dict[str, Any] = {}
    for path in (folder.parent / COMMON, *(folder / name for name in VALUE_FILES[:-1])):
        if path.is_file():
            _merge(merged, yamlfile.read(path))
    _merge(merged, version.model_dump())
    return merged


def _merge(target: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, dict) else value


def _value(values: dict[str, Any], name: str) -> str:
    node: Any = values
    for key in name.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return "" if node is None else str(node)


def _filled(url: str, values: dict[str, Any]) -> str:
    return _VALUE.sub(lambda match: _value(values, match[1]) or match[0], url)
