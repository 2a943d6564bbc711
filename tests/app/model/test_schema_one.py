"""Bundles of schema version 1 are served as before: their lists are closed, texts are free."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.model.bundle import canonical, verify
from app.model.contract import Contract
from tests import trained
from tests.app.conftest import make_client

OLD_KEYS = ("name", "dtype", "min", "max", "categories", "missing")


def as_version_one(source: Path, out: Path) -> Path:
    """The bundle as an earlier modelctl wrote it: without what version 2 has added."""
    shutil.copytree(source, out)
    manifest: dict[str, Any] = json.loads((out / "manifest.json").read_bytes())
    manifest["schema_version"] = 1
    del manifest["rows"]
    manifest["inputs"] = [{key: entry[key] for key in OLD_KEYS} for entry in manifest["inputs"]]
    manifest["parity"] = None
    sample = json.loads((out / "sample.json").read_bytes())
    del sample["refused"]
    data = canonical(sample)
    (out / "sample.json").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    manifest["files"]["sample.json"] = {"sha256": sha256, "bytes": len(data)}
    (out / "manifest.json").write_bytes(canonical(manifest))
    return out


@pytest.mark.parametrize("engine", ["auto", "sklearn"])
@pytest.mark.parametrize("name", trained.NAMES)
def test_an_old_bundle_answers_as_the_new_one(name: str, engine: str, tmp_path: Path) -> None:
    new = trained.bundle(name, engine)
    old = as_version_one(new, tmp_path / "old")
    rows = json.loads((new / "sample.json").read_bytes())["rows"]
    answers = [
        make_client(bundle).post("/predict", json={"instances": rows}).get_json()["predictions"]
        for bundle in (new, old)
    ]
    assert answers[0] == answers[1]


def test_its_lists_are_closed(tmp_path: Path) -> None:
    old = as_version_one(trained.bundle("penguins"), tmp_path / "old")
    contract = Contract.from_manifest(verify(old).manifest)
    island = next(feature for feature in contract.inputs if feature.name == "island")
    assert (island.unseen, island.closed) == ("refuse", ("Biscoe", "Dream", "Torgersen"))
    assert (contract.form, contract.extra, contract.ignored) == ("", "refuse", ())
