"""`modelctl package`: equal inputs give equal bundles; what cannot be packaged says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.model.bundle import verify
from app.model.contract import Contract
from app.model.engine import load, self_test
from modelctl.cli import cli
from modelctl.errors import ModelctlError
from modelctl.packaging.package import plan, write
from modelctl.packaging.training_output import Request, read_training_output
from tests import trained


def package(name: str, out: Path, engine: str = "auto") -> str:
    """Package a sample model; returns the digest."""
    config = trained.config(name)
    training_output = read_training_output(Request(trained.training(name), config=config))
    return write(plan(training_output, engine=engine, tolerance=1e-6), out)


@pytest.mark.parametrize("name", trained.NAMES)
def test_packaging_twice_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    digests = [package(name, tmp_path / folder) for folder in ("one", "two")]
    assert digests[0] == digests[1] == verify(tmp_path / "one").digest
    for path in (tmp_path / "one").iterdir():
        if path.name != "report.json":
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("name", trained.NAMES)
def test_sample_models_get_the_exact_onnx_engine(name: str) -> None:
    manifest = verify(trained.bundle(name)).manifest
    assert manifest["engine"] == "onnx"
    assert manifest["parity"]["label_mismatches"] == 0
    assert manifest["parity"]["max_abs_diff"] <= 1e-12
    assert manifest["parity"]["rows"]["perturbed"] == 10_000


def test_split_thresholds_of_a_forest_are_part_of_the_gate() -> None:
    parity = verify(trained.bundle("penguins")).manifest["parity"]
    assert parity["rows"]["thresholds"] > 3000
    assert parity["threshold_share"] == 1.0


def test_the_contract_of_mixed_columns_is_inferred() -> None:
    inputs = {
        entry["name"]: entry for entry in verify(trained.bundle("penguins")).manifest["inputs"]
    }
    assert inputs["island"] == {
        "name": "island",
        "dtype": "string",
        "min": None,
        "max": None,
        "categories": ["Biscoe", "Dream", "Torgersen"],
        # The sample has no missing island; the imputer before the encoder allows one.
        "missing": "allow",
        "unseen": "refuse",
    }
    assert inputs["sex"]["missing"] == "allow"
    mass = inputs["body_mass_g"]
    assert (mass["dtype"], mass["min"], mass["max"], mass["missing"]) == (
        "float",
        2700,
        6300,
        "allow",
    )


def test_a_new_bundle_replaces_the_old_one_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "bundles" / "bundle"
    shutil.copytree(trained.bundle("penguins"), out)
    package("iris", out)
    assert verify(out).manifest["name"] == "iris"
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ModelctlError, match="already exists and is not a bundle"):
        package("iris", folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_the_command_prints_the_digest_last(tmp_path: Path) -> None:
    config = trained.config("iris")
    out = tmp_path / "bundle"
    arguments = ["package", str(trained.training("iris")), "--config", str(config)]
    result = CliRunner().invoke(cli, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == verify(out).digest
    report = json.loads((out / "report.json").read_text())
    assert report["timings"]["onnx"]["one_row_us"] < report["timings"]["sklearn"]["one_row_us"]


def test_a_model_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelctlError, match="the model's name or version is missing"):
        read_training_output(Request(trained.training("iris")))


def test_a_sample_without_a_fitted_column_is_refused(tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text("sepal_length,species\n5.1,setosa\n")
    request = Request(trained.training("iris"), sample=sample, name="x", version="1")
    with pytest.raises(ModelctlError) as refused:
        plan(read_training_output(request), engine="auto", tolerance=1e-6)
    assert refused.value.what == (
        "the sample lacks fitted columns: sepal_width, petal_length, petal_width"
    )
    assert refused.value.expected == "sepal_length, sepal_width, petal_length, petal_width"


def test_created_is_the_epoch_that_the_build_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    training_output = read_training_output(Request(trained.training("iris"), name="x", version="1"))
    assert training_output.created == "2023-11-14T22:13:20Z"


def test_a_row_that_the_engine_answers_is_none_of_those_to_refuse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """XGBoost refuses a row for a category that another row of the same frame has."""
    package("penguins", tmp_path / "first", engine="sklearn")
    row = json.loads((tmp_path / "first" / "sample.json").read_text())["rows"][0]
    monkeypatch.setattr("modelctl.packaging.package.refused_examples", lambda *_: [row])
    package("penguins", tmp_path / "second", engine="sklearn")
    bundle = verify(tmp_path / "second")
    contract = Contract.from_manifest(bundle.manifest)
    self_test(bundle, contract, load(bundle, contract))
