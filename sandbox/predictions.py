"""Compare the digest and a recorded prediction of each release with what its service returns.

Must not know how the release was deployed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox import web
from sandbox.wait import Answer, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.addresses import Address
    from sandbox.bundles import Bundle
    from sandbox.environments import Release

# Usually the first request succeeds. After a crash Argo CD still reports Healthy from before, while
# the kubelet starts every pod again.
DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class CheckedRelease:
    """A release that serves the version in git: its URL, the request and the prediction.

    Body and prediction are empty for a version whose bundle is not available locally: only its
    digest was compared.
    """

    release: Release
    url: str
    body: str = ""
    prediction: str = ""

    @property
    def curl(self) -> str:
        """A shell command that repeats the request."""
        return (
            f"curl -s {self.url}/predict -H 'Content-Type: application/json' \\\n"
            f"  -d {_quoted(self.body)}"
        )


def check(release: Release, address: Address, bundle: Bundle | None) -> CheckedRelease:
    """Return the checked prediction of a release; `bundle` is the model's latest, if any.

    Raises WaitError unless it returns, in time, the digest in git and, for that bundle, the
    prediction that packaging recorded.
    """
    body, expected = "", None
    if bundle is not None and bundle.digest == release.digest:
        document, expected = bundle.sample()
        body = json.dumps(document)

    def probe() -> Answer:
        return compare(release, address.url, body, expected)

    wait_until(
        f"{release.name} serves the version in git",
        probe,
        DEADLINE_SECONDS,
        fix=f"run `curl -s {address.url}/model/info` and `make status`",
    )
    return CheckedRelease(release, address.url, body, json.dumps(expected) if body else "")


def compare(release: Release, url: str, body: str, expected: Any) -> Answer:
    """Compare once: the digest with git, the prediction with the sample's (if there is a body)."""
    info = web.request("GET", f"{url}/model/info")
    if info.status != 200:
        return Answer(False, f"{url}/model/info: status {info.status} {info.text[:200]}")
    digest = json.loads(info.body)["digest"]
    if digest != release.digest:
        return Answer(False, f"serves {digest}, git has {release.digest}")
    if not body:
        return Answer(True, f"serves {digest}")
    headers = {"Content-Type": "application/json"}
    reply = web.request("POST", f"{url}/predict", body=body.encode(), headers=headers)
    if reply.status != 200:
        return Answer(False, f"{url}/predict: status {reply.status} {reply.text[:200]}")
    actual = json.loads(reply.body)["prediction"]
    return Answer(
        is_same_prediction(expected, actual),
        f"predicts {actual!r}, packaging recorded {expected!r}",
    )


def is_same_prediction(expected: Any, actual: Any) -> bool:
    """Return whether two predictions are equal; numbers within the tolerance between engines."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        same_keys = expected.keys() == actual.keys()
        return same_keys and all(is_same_prediction(expected[key], actual[key]) for key in actual)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(is_same_prediction, expected, actual))
    if isinstance(expected, float) and isinstance(actual, (int, float)):
        return abs(expected - actual) <= 1e-6 * max(1.0, abs(expected))
    return bool(expected == actual)


def table(checked: Sequence[CheckedRelease]) -> str:
    """Return one line for each release, aligned, within 100 columns."""
    head = ("RELEASE", "MODEL", "BUNDLE", "ADDRESS", "PREDICTION")
    rows = [
        (
            entry.release.name,
            f"{entry.release.model} {entry.release.version}",
            entry.release.digest.removeprefix("sha256:")[:12],
            entry.url,
            entry.prediction or "(earlier version)",
        )
        for entry in checked
    ]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
