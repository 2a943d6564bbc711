"""Ask every release for a prediction that packaging recorded, and who it is.

Must not know how the release got there.
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

# Usually the first answer counts. After a crash Argo CD still calls Healthy what it saw before,
# while the kubelet starts every pod again.
DEADLINE_SECONDS = 120


@dataclass(frozen=True)
class Checked:
    """A release that answered as it should: where, what was asked and what came back.

    Body and prediction are empty for a version whose bundle is not at hand: only who it is was
    checked then.
    """

    release: Release
    url: str
    body: str = ""
    prediction: str = ""

    @property
    def curl(self) -> str:
        """A command for people that gives the same answer again."""
        return (
            f"curl -s {self.url}/predict -H 'Content-Type: application/json' \\\n"
            f"  -d {_quoted(self.body)}"
        )


def check(release: Release, address: Address, bundle: Bundle | None) -> Checked:
    """Return the checked prediction of a release; `bundle` is the model's latest, if any.

    Raises WaitError when it does not answer in time with the digest that git says and, for that
    bundle, the prediction that packaging recorded.
    """
    body, expected = "", None
    if bundle is not None and bundle.digest == release.digest:
        document, expected = bundle.sample()
        body = json.dumps(document)

    def probe() -> Answer:
        return judge(release, address.url, body, expected)

    wait_until(
        f"{release.name} answers as git says",
        probe,
        DEADLINE_SECONDS,
        fix=f"curl -s {address.url}/model/info; make status",
    )
    return Checked(release, address.url, body, json.dumps(expected) if body else "")


def judge(release: Release, url: str, body: str, expected: Any) -> Answer:
    """Ask once and compare: digest with git, prediction with the sample's (if there is a body)."""
    info = web.request("GET", f"{url}/model/info")
    if info.status != 200:
        return Answer(False, f"{url}/model/info: status {info.status} {info.text[:200]}")
    digest = json.loads(info.body)["digest"]
    if digest != release.digest:
        return Answer(False, f"it serves {digest}, git says {release.digest}")
    if not body:
        return Answer(True, f"it serves {digest}")
    headers = {"Content-Type": "application/json"}
    reply = web.request("POST", f"{url}/predict", body=body.encode(), headers=headers)
    if reply.status != 200:
        return Answer(False, f"{url}/predict: status {reply.status} {reply.text[:200]}")
    found = json.loads(reply.body)["prediction"]
    return Answer(same(expected, found), f"it predicts {found!r}, packaging recorded {expected!r}")


def same(expected: Any, found: Any) -> bool:
    """Tell whether two predictions are equal; numbers up to what engines may differ by."""
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return abs(expected - found) <= 1e-6 * max(1.0, abs(expected))
    return bool(expected == found)


def table(checked: Sequence[Checked]) -> str:
    """Return one line for each release, aligned, within 100 columns."""
    head = ("RELEASE", "MODEL", "BUNDLE", "ADDRESS", "PREDICTS")
    rows = [
        (
            entry.release.name,
            f"{entry.release.model} {entry.release.version}",
            entry.release.digest.removeprefix("sha256:")[:12],
            entry.url,
            entry.prediction or "(an earlier version)",
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
