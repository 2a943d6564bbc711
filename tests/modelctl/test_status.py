"""`modelctl status` without a cluster: what git says, and a word why the rest is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelctl import kube

from .conftest import DIGEST_B, run


def test_status_shows_each_environment_in_order(released: Path) -> None:
    lines = run("status", "--no-live").splitlines()
    assert [line.split() for line in lines[1:4]] == [
        ["dev", "iris", "1.0.0", "b" * 12],
        ["staging", "iris", "not", "released"],
        ["production", "iris", "not", "released"],
    ]
    assert lines[4] == "the cluster was not asked"


def test_status_as_json_holds_the_whole_digest(released: Path) -> None:
    found = json.loads(run("status", "--no-live", "--output", "json"))
    assert found["releases"][0] == {
        "environment": "dev",
        "model": "iris",
        "version": "1.0.0",
        "digest": DIGEST_B,
        "live": None,
        "name": "dev-iris",
        "agrees": False,
    }


def test_status_without_a_cluster_still_shows_git(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    output = run("status")
    assert "1.0.0 bbbbbbbbbbbb" in output
    assert "no cluster: kubectl is not on PATH" in output


def test_a_refusal_is_read_from_a_pods_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    line = {"event": "bundle_refused", "what": "w", "expected": "e", "found": "f", "fix": "x"}
    message = f"starting\n{json.dumps(line)}\n"
    status = {"state": {"waiting": {}}, "lastState": {"terminated": {"message": message}}}
    pods = {"items": [{"status": {"containerStatuses": [status]}}, {"status": {}}]}
    monkeypatch.setattr(kube, "get_json", lambda *_: pods)
    assert kube.refusals("ml-dev", "iris") == [
        {"what": "w", "expected": "e", "found": "f", "fix": "x"}
    ]
