"""A push while Argo CD compares: docs/decisions/0007-order-of-sources.md.

Argo CD's own code takes the sources; git, registry and Helm are stood for by a repo server that
moves the branch as soon as it was asked for the first of them.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from tests import rendering
from tests.argocd.test_chart import ARGUMENTS, REGISTRY, REPOSITORY

NOTIFICATIONS = rendering.ARGOCD_CHART / "install" / "argocd-notifications-cm.yaml"


@pytest.fixture(scope="module")
def patch() -> str:
    """The template of an Application's sources."""
    manifests = rendering.template("helm4", rendering.ARGOCD_CHART, "root", "argocd", *ARGUMENTS)
    sets = {m["metadata"]["name"]: m for m in rendering.of_kind(manifests, "ApplicationSet")}
    return str(sets["models"]["spec"]["templatePatch"])


def compared(patch: str, *, is_reversed: bool = False) -> Any:
    """The commits that are recorded and rendered of an Application of a later environment."""
    question = {
        "patch": patch,
        "reversed": is_reversed,
        "parameters": {
            "environment": "production",
            "chartFrom": "registry",
            "chartRegistry": REGISTRY,
            "repoURL": REPOSITORY,
            "revision": "main",
            "release": {"path": {"basename": "iris"}},
            "chart": {"version": "0.0.0"},
        },
    }
    done = subprocess.run(
        [rendering.tool("argocd-sources")],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_what_is_recorded_is_not_newer_than_what_was_rendered(patch: str) -> None:
    # The next comparison sees another commit than the recorded one, and renders again.
    assert compared(patch) == {"recorded": "before", "rendered": "after", "error": ""}


def test_the_other_order_would_record_what_was_never_rendered(patch: str) -> None:
    """When this fails, Argo CD looks the branch up once for all sources: the order is free."""
    found = compared(patch, is_reversed=True)
    assert found == {"recorded": "after", "rendered": "before", "error": ""}


def test_notifications_take_the_revision_of_the_values() -> None:
    text = NOTIFICATIONS.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["data"]
    used = [line.strip() for line in text.splitlines() if "revisions" in line and "{{" in line]
    assert used
    assert [line for line in used if "first (" not in line] == []
