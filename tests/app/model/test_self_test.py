"""At start a model has to predict its own sample as packaging recorded it.

How far a number may be off is written here by value: two units in the sixth digit are too much.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import BundleRefusedError
from app.model import engine
from app.model.bundle import Bundle, canonical, digest_of, verify
from app.model.contract import Contract
from tests import trained


def recorded(tmp_path: Path, model: str, change: Callable[[list[Any]], None]) -> Bundle:
    """A bundle whose recorded predictions are others, and verify all the same."""
    folder = Path(shutil.copytree(trained.bundle(model), tmp_path / "bundle"))
    sample = json.loads((folder / "sample.json").read_bytes())
    change(sample["predictions"])
    data = canonical(sample)
    (folder / "sample.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entry = {"sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data)}
    manifest["files"]["sample.json"] = entry
    (folder / "manifest.json").write_bytes(canonical(manifest))
    return verify(folder)


def self_test(bundle: Bundle) -> None:
    contract = Contract.from_manifest(bundle.manifest)
    engine.self_test(bundle, contract, engine.load(bundle, contract))


def regressor() -> str:
    """The sample model that predicts a number."""
    kinds = {
        name: verify(trained.bundle(name)).manifest["output"]["kind"] for name in trained.NAMES
    }
    return next(name for name, kind in kinds.items() if kind == "regressor")


def at(row: int, share: float) -> Callable[[list[Any]], None]:
    """One recorded number a share of itself off."""

    def change(predictions: list[Any]) -> None:
        assert abs(predictions[row]) > 1
        predictions[row] *= 1 + share

    return change


@pytest.mark.parametrize("row", [0, 5, -1])
@pytest.mark.parametrize("share", [1e-4, 2e-6, -2e-6])
def test_a_number_that_is_off_is_refused(tmp_path: Path, row: int, share: float) -> None:
    with pytest.raises(BundleRefusedError):
        self_test(recorded(tmp_path, regressor(), at(row, share)))


@pytest.mark.parametrize("share", [0.0, 5e-7, -5e-7])
def test_a_number_that_another_processor_rounds_is_accepted(tmp_path: Path, share: float) -> None:
    self_test(recorded(tmp_path, regressor(), at(5, share)))


@pytest.mark.parametrize("wrong", [math.inf, None, "9.5", True])
def test_what_is_no_such_number_is_refused(tmp_path: Path, wrong: Any) -> None:
    def change(predictions: list[Any]) -> None:
        predictions[0] = wrong

    with pytest.raises(BundleRefusedError):
        self_test(recorded(tmp_path, regressor(), change))


@pytest.mark.parametrize("row", [0, 7, -1])
def test_another_label_is_refused(tmp_path: Path, row: int) -> None:
    def change(predictions: list[Any]) -> None:
        predictions[row] = next(label for label in predictions if label != predictions[row])

    with pytest.raises(BundleRefusedError):
        self_test(recorded(tmp_path, "iris", change))


@pytest.mark.parametrize("change", [list.pop, lambda found: found.append(found[0])])
def test_fewer_or_more_predictions_than_rows_never_serve(
    tmp_path: Path, change: Callable[[list[Any]], None]
) -> None:
    bundle = recorded(tmp_path, "iris", change)
    contract = Contract.from_manifest(bundle.manifest)
    with pytest.raises(BundleRefusedError):
        engine.self_test_in_child(bundle, contract, engine.load(bundle, contract))


@pytest.mark.parametrize("share", [2e-6, 0.0])
def test_the_child_says_the_same(tmp_path: Path, share: float) -> None:
    bundle = recorded(tmp_path, regressor(), at(3, share))
    contract = Contract.from_manifest(bundle.manifest)
    loaded = engine.load(bundle, contract)
    if not share:
        engine.self_test_in_child(bundle, contract, loaded)
        return
    with pytest.raises(BundleRefusedError) as refused:
        engine.self_test_in_child(bundle, contract, loaded)
    assert "row 3" in refused.value.what
