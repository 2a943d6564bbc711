"""`modelctl build`: nothing stale is called up to date, nothing up to date is built again."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from app.model.bundle import verify
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging import build, candidates, engines, fingerprint, sources
from modelctl.packaging.build import Home
from tests import trained
from tests.modelctl.conftest import DIGEST_B, VERSION, commit_all, run
from tests.paths import ROOT

# Counts its own runs outside of the repository, and reads a module and a data file beside it.
SCRIPT = """\
import argparse, json, os, sys
from pathlib import Path
import helper
parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path)
out = parser.parse_args().out
out.mkdir()
Path(os.environ["RUNS"]).open("a").write("x")
rows = Path(__file__).with_name("rows.csv").read_text()
(out / "model.joblib").write_text(helper.WORD)
(out / "sample.csv").write_text(rows)
"""
FILES = {
    "train.py": SCRIPT,
    "helper.py": "WORD = 'one'\n",
    "rows.csv": "a\n1\n",
    "model.yaml": "name: churn\nversion: 1.0.0\n",
    "deep/er/notes.txt": "x\n",
    "baseline.yaml": "metrics: {}\n",
    "data.yaml": "rows: {min: 1}\ncolumns: {}\n",
}
LONG_AGO = 1_000_000_000


@pytest.fixture
def home(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A model with training code that takes no time."""
    for name, text in FILES.items():
        path = repo / "models/churn" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (repo / "models/common").mkdir()
    (repo / "models/common/steps.py").write_text("STEP = 1\n")
    (repo / "requirements").mkdir()
    (repo / "requirements/dev.txt").write_text("scikit-learn==1\n")
    (repo / ".gitignore").write_text("/build/\n__pycache__/\n")
    (repo.parent / "elsewhere.csv").write_text("a\n5\n")
    (repo / "models/churn/linked.csv").symlink_to(repo.parent / "elsewhere.csv")
    (repo.parent / "shared").mkdir()
    (repo.parent / "shared/rows.csv").write_text("a\n6\n")
    (repo / "models/churn/shared").symlink_to(repo.parent / "shared")
    commit_all(repo, "model")
    monkeypatch.setenv("RUNS", str(repo.parent / "runs"))
    return Home(repo, "churn")


def runs(home: Home) -> int:
    """How often the training ran."""
    path = home.root.parent / "runs"
    return len(path.read_text()) if path.exists() else 0


def train(home: Home) -> int:
    """Bring the training up to date; how often it has run so far."""
    build.train(home, build.inspect(home))
    return runs(home)


def test_an_unchanged_model_is_not_trained_again(home: Home) -> None:
    assert train(home) == 1
    # A checkout sets new times, and a run of Python leaves bytecode.
    for path in home.folder.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)
    (home.folder / "__pycache__").mkdir(exist_ok=True)
    (home.folder / "__pycache__/helper.cpython-311.pyc").write_bytes(b"x")
    (home.folder / "baseline.yaml").write_text("metrics: {a: 1}\n")
    (home.folder / "data.yaml").write_text("rows: {min: 2}\n")
    assert train(home) == 1


def rewrite(name: str) -> Callable[[Home], object]:
    """Change a file, and set its time to long ago."""

    def change(home: Home) -> None:
        path = home.root / name
        path.write_text(path.read_text() + "\n")
        os.utime(path, (LONG_AGO, LONG_AGO))

    return change


def relink(home: Home) -> None:
    """Let a link lead to another file."""
    (home.folder / "linked.csv").unlink()
    (home.folder / "linked.csv").symlink_to(home.folder / "rows.csv")


CHANGES: dict[str, Callable[[Home], object]] = {
    "script": rewrite("models/churn/train.py"),
    "configuration": rewrite("models/churn/model.yaml"),
    "helper": rewrite("models/churn/helper.py"),
    "data": rewrite("models/churn/rows.csv"),
    "file in a folder": rewrite("models/churn/deep/er/notes.txt"),
    "target of a link": rewrite("../elsewhere.csv"),
    "file in a linked folder": rewrite("../shared/rows.csv"),
    "folder that models share": rewrite("models/common/steps.py"),
    "lock": rewrite("requirements/dev.txt"),
    "new file": lambda home: (home.folder / "new.bin").write_bytes(b"\0"),
    "ignored file": lambda home: (home.folder / ".env").write_text("x"),
    "deleted file": lambda home: (home.folder / "deep/er/notes.txt").unlink(),
    "renamed file": lambda home: (home.folder / "deep/er/notes.txt").rename(home.folder / "n.txt"),
    "link to another file": relink,
    "deleted output": lambda home: (home.training / "sample.csv").unlink(),
    "changed output": lambda home: (home.training / "model.joblib").write_text("by hand"),
    "additional output": lambda home: (home.training / "evaluation.json").write_text("{}"),
    "lost record": lambda home: (home.training / build.RECORD).unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_trains_again(home: Home, change: str) -> None:
    assert train(home) == 1
    CHANGES[change](home)
    assert train(home) == 2
    assert train(home) == 2


def test_a_link_to_its_own_folder_ends(home: Home) -> None:
    (home.folder / "deep/loop").symlink_to(home.folder)
    (home.folder / "gone").symlink_to(home.folder / "nothing")
    inputs = fingerprint.of_training(home.root, "churn")
    assert inputs["models/churn/gone"] == fingerprint.MISSING
    assert not any("loop/" in name for name in inputs)


def test_what_a_failed_training_wrote_is_not_left(home: Home) -> None:
    assert train(home) == 1
    (home.folder / "helper.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(ModelctlError, match="the training of 'churn' failed") as failed:
        train(home)
    assert failed.value.found == "exit code 3"
    assert not home.training.exists()


def test_a_bundle_of_uncommitted_files_is_out_of_date_once_committed(home: Home) -> None:
    (home.folder / "rows.csv").write_text("a\n2\n")
    before = build.inspect(home)
    commit_all(home.root, "rows")
    after = build.inspect(home)
    assert before.training == after.training
    assert "commit" in fingerprint.differences(before.inputs, after.inputs)


def test_the_code_that_packages_is_all_of_it() -> None:
    """What `package` imports of ours is part of every bundle's inputs."""
    program = (
        "import sys, modelctl.packaging.package, modelctl.packaging.training_output\n"
        "import modelctl.packaging.evaluation\n"
        "ours = [m for n, m in sys.modules.items() if n.split('.')[0] in ('app', 'modelctl')]\n"
        "print([m.__file__ for m in ours if getattr(m, '__file__', None)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    imported = {Path(name).relative_to(ROOT).as_posix() for name in ast.literal_eval(done.stdout)}
    listed = (*fingerprint.CODE, *fingerprint.CODE_OF_MODELCTL)
    assert "modelctl/packaging/package.py" in imported
    assert [name for name in sorted(imported) if not name.startswith(listed)] == []
    # Nothing else is listed: a change there would package every model again.
    assert [name for name in listed if not any(one.startswith(name) for one in imported)] == []


# --- whole builds


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 100)
    monkeypatch.setattr(engines, "TIMING_SECONDS", 0.001)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folder with a finished model and its sample, outside of any repository."""
    folder = tmp_path / "finished"
    shutil.copytree(trained.training("iris"), folder)
    (folder / "model.yaml").unlink()
    (folder / "evaluation.json").unlink()
    return folder


def new(folder: Path, *options: str, name: str = "churn") -> str:
    """What `modelctl new --from` prints."""
    files = ["--from", str(folder / "model.joblib"), "--sample", str(folder / "sample.csv")]
    return run("new", name, *files, "--target", "species", *options)


@pytest.mark.usefixtures("quick")
def test_a_finished_model_gets_a_folder_and_a_bundle(repo: Path, finished: Path) -> None:
    printed = new(finished)
    assert "create models/churn/model.joblib" in printed
    assert printed.splitlines()[-1] == "then run `modelctl build churn` to package it"
    for name in ("model.joblib", "sample.csv"):
        assert (repo / "models/churn" / name).read_bytes() == (finished / name).read_bytes()
    commit_all(repo, "churn")
    digest = run("build", "churn").splitlines()[-1]
    bundle = verify(repo / "build/bundles/churn")
    assert bundle.digest == digest
    head = subprocess.run(
        ["git", "-C", str(repo), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert bundle.manifest["training"]["commit"] == head.stdout.strip()
    model, frame = joblib.load(finished / "model.joblib"), pd.read_csv(finished / "sample.csv")
    right = (model.predict(frame.drop(columns="species")) == frame["species"]).mean()
    assert bundle.manifest["metrics"]["sample_accuracy"] == pytest.approx(right, abs=1e-6)
    assert "valid" in run("validate", "churn")
    assert "passes" in run("gate", "churn")
    assert run("build", "churn") == "churn: build/bundles/churn is up to date\n"


@pytest.mark.usefixtures("quick")
def test_a_newer_file_replaces_a_finished_model_and_the_bundle_follows(
    repo: Path, finished: Path
) -> None:
    new(finished)
    commit_all(repo, "churn")
    first = run("build", "churn").splitlines()[-1]
    frame = pd.read_csv(finished / "sample.csv")
    model = LogisticRegression(C=0.1).fit(frame.drop(columns="species"), frame["species"])
    joblib.dump(model, finished / "model.joblib")
    with pytest.raises(RefusedError, match="model 'churn' already exists"):
        new(finished)
    assert "dry run: nothing written" in new(finished, "--replace", "--dry-run")
    assert run("build", "churn").endswith("is up to date\n")
    printed = new(finished, "--replace", "--version", "0.2.0")
    assert "edit models/churn/model.joblib" in printed
    second = run("build", "churn").splitlines()[-1]
    assert second != first
    assert verify(repo / "build/bundles/churn").manifest["version"] == "0.2.0"


def test_a_file_that_is_not_the_one_in_git_is_refused(repo: Path, finished: Path) -> None:
    new(finished)
    (repo / "models/churn/model.joblib").write_bytes(b"other")
    with pytest.raises(ModelctlError, match="is not the file that models/churn") as refused:
        run("build", "churn")
    assert refused.value.expected == f"SHA-256 {sources.sha256_of(finished / 'model.joblib')}"
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 1\n"
    (repo / "models/churn/model.joblib").write_bytes(pointer)
    with pytest.raises(ModelctlError) as refused:
        run("build", "churn")
    assert refused.value.fix.startswith("run `git lfs pull`")
    assert not (repo / "build/training/churn").exists()


@pytest.mark.usefixtures("quick")
def test_a_bundle_from_elsewhere_is_never_replaced(repo: Path, finished: Path) -> None:
    """The user's own file was packaged by hand; a template of the same name came later."""
    out = repo / "build/bundles/churn"
    run(
        *("package", str(finished / "model.joblib"), "--sample", str(finished / "sample.csv")),
        *("--target", "species", "--name", "churn", "--version", "1", "--out", str(out)),
    )
    digest = verify(out).digest
    with pytest.raises(RefusedError, match="model 'churn' already exists") as refused:
        run("new", "churn")
    assert refused.value.found == "build/bundles/churn"
    out.rename(repo / "aside")
    run("new", "churn")
    (repo / "aside").rename(out)
    with pytest.raises(RefusedError, match="was not built from models/churn") as refused:
        run("build", "churn")
    assert "modelctl build churn --replace" in refused.value.fix
    assert verify(out).digest == digest


@pytest.mark.usefixtures("quick")
def test_a_bundle_packaged_by_hand_makes_way_for_its_own_folder(repo: Path, finished: Path) -> None:
    out = repo / "build/bundles/churn"
    run(
        *("package", str(finished), "--target", "species", "--name", "churn", "--version", "1"),
        *("--out", str(out)),
    )
    assert "stays until" not in new(finished)
    assert run("build", "churn").splitlines()[-1] == verify(out).digest


@pytest.mark.usefixtures("quick")
def test_another_bundle_put_into_the_place_of_a_build_is_noticed(
    repo: Path, finished: Path
) -> None:
    new(finished)
    run("build", "churn")
    out = repo / "build/bundles/churn"
    report = (out / "report.json").read_text()
    shutil.rmtree(out)
    shutil.copytree(trained.bundle("penguins"), out)
    (out / "report.json").write_text(report)
    with pytest.raises(RefusedError, match="was not built from models/churn"):
        run("build", "churn")


@pytest.mark.usefixtures("quick")
def test_a_damaged_bundle_is_built_again(repo: Path, finished: Path) -> None:
    new(finished)
    run("build", "churn")
    (repo / "build/bundles/churn/model.onnx").write_bytes(b"damaged")
    assert "building (the bundle is damaged)" in run("build", "churn")
    verify(repo / "build/bundles/churn")


@pytest.mark.usefixtures("quick")
def test_the_gate_refuses_the_bundle_of_another_state(repo: Path, finished: Path) -> None:
    new(finished)
    run("build", "churn")
    (repo / "models/churn/notes.md").write_text("new\n")
    for command in ("gate", "validate"):
        with pytest.raises(RefusedError, match="is out of date") as refused:
            run(command, "churn")
        assert "models/churn/notes.md" in refused.value.found


def test_an_environment_that_serves_the_model_keeps_its_files(repo: Path, finished: Path) -> None:
    (repo / "environments/dev/iris/version.yaml").write_text(VERSION)
    commit_all(repo, "released")
    printed = new(finished, name="iris")
    assert f"dev serves 1.0.0 ({DIGEST_B[:19]})" in printed
    assert "environments/dev/iris" not in printed
    assert (repo / "models/iris/model.yaml").exists()


def test_metrics_of_an_unknown_direction_are_left_to_the_user(repo: Path, finished: Path) -> None:
    (finished / "metrics.json").write_text('{"lift": 3.1}')
    printed = new(finished, "--metrics", str(finished / "metrics.json"))
    assert "no baseline.yaml was written: unknown direction of metric 'lift'" in printed
    assert (repo / "models/churn/evaluation.json").exists()
    assert not (repo / "models/churn/baseline.yaml").exists()


@pytest.mark.usefixtures("quick")
def test_a_sample_without_the_target_has_no_metrics_and_passes_the_gate(
    repo: Path, finished: Path
) -> None:
    frame = pd.read_csv(finished / "sample.csv").drop(columns="species")
    frame.to_csv(finished / "sample.csv", index=False)
    files = ("--from", str(finished / "model.joblib"), "--sample", str(finished / "sample.csv"))
    run("new", "churn", *files)
    assert "metrics: {}" in (repo / "models/churn/baseline.yaml").read_text()
    run("build", "churn")
    run("gate", "churn")
    with pytest.raises(ModelctlError, match="the sample has no column 'species'"):
        run("new", "other", *files, "--target", "species")


def test_training_code_is_not_replaced_by_a_finished_model(repo: Path, finished: Path) -> None:
    run("new", "churn")
    commit_all(repo, "template")
    with pytest.raises(RefusedError, match="model 'churn' already exists") as refused:
        new(finished, "--replace")
    assert refused.value.fix.startswith("choose another name")


def test_new_from_a_file_that_cannot_be_packaged_writes_nothing(repo: Path, finished: Path) -> None:
    (finished / "model.joblib").write_bytes(b"")
    with pytest.raises(ModelctlError, match="is empty"):
        new(finished)
    assert not (repo / "models").exists()


BLOCKS = {
    "no sample": ({"model": {"path": "m", "sha256": "a" * 64}}, "sample: missing"),
    "no hash": ({"model": {"path": "m"}, "sample": {"path": "s.csv"}}, "sha256 is ''"),
    "both": ({"model": {"path": "m", "uri": "s3://b/m", "sha256": "a" * 64}}, "either path or uri"),
    "absolute": ({"model": {"path": "/m", "sha256": "a" * 64}}, "the path is absolute"),
    "secret": (
        {"model": {"uri": "https://me:pw@host/m", "sha256": "a" * 64}},
        "has credentials, a query or a fragment",
    ),
    "presigned": ({"model": {"uri": "https://h/m?sig=1", "sha256": "a" * 64}}, "a query"),
    "scheme": ({"model": {"uri": "ftp://host/m", "sha256": "a" * 64}}, "ftp:// is not one of"),
    "path as uri": ({"model": {"uri": "m.joblib", "sha256": "a" * 64}}, "uri is 'm.joblib'"),
    "ending": ({"sample": {"path": "s.xlsx", "sha256": "a" * 64}}, "ends with .csv or .parquet"),
    "unknown": ({"modle": {}}, "unknown key 'modle'"),
    "text": ("model.joblib", "expected a mapping, found str"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_source_that_is_not_valid_names_every_problem(name: str, tmp_path: Path) -> None:
    block, problem = BLOCKS[name]
    with pytest.raises(ModelctlError, match="`source` in") as refused:
        sources.parse({"source": block}, tmp_path / "model.yaml")
    assert problem in refused.value.found


def test_a_path_out_of_the_repository_is_refused(repo: Path, finished: Path) -> None:
    new(finished)
    config = repo / "models/churn/model.yaml"
    config.write_text(config.read_text().replace("path: model.joblib", "path: ../../../m.joblib"))
    with pytest.raises(ModelctlError, match="is outside of the repository"):
        run("build", "churn")


def test_a_record_says_what_led_to_a_training(home: Home) -> None:
    train(home)
    record = json.loads((home.training / build.RECORD).read_text())
    assert record["inputs"]["models/churn/linked.csv"] == sources.sha256_of(
        home.root.parent / "elsewhere.csv"
    )
    assert set(record["outputs"]) == {"model.joblib", "sample.csv"}
