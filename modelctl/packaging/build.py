"""Build a model's bundle from its folder: train or collect its files, then package.

Nothing is done twice and nothing is taken for new: `fingerprint` decides by content whether the
training and the bundle are up to date. A bundle that comes from elsewhere is never replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.errors import BundleRefusedError
from app.model.bundle import MANIFEST, verify
from modelctl import names
from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging import fingerprint, sources
from modelctl.packaging.remote_file import download

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modelctl.packaging.sources import Source

CODE = "train.py"
# Beside the bundle's files and outside its digest: what it was built from.
REPORT = "report.json"
RECORD = "inputs.json"
BUILT = "built"


@dataclass(frozen=True)
class Home:
    """A model's folder in a repository, and where its training and its bundle are written."""

    root: Path
    model: str

    @property
    def folder(self) -> Path:
        """Training code, or the files of a finished model."""
        return self.root / fingerprint.MODELS / self.model

    @property
    def config(self) -> Path:
        """The model's configuration."""
        return self.folder / fingerprint.CONFIG

    @property
    def training(self) -> Path:
        """What a training writes."""
        return self.root / "build" / "training" / self.model

    @property
    def bundle(self) -> Path:
        """The model's bundle."""
        return self.root / "build" / "bundles" / self.model

    def source(self) -> Source | None:
        """Where a finished model comes from; None for training code. Raises ModelctlError."""
        return sources.parse(sources.read_config(self.config), self.config)


@dataclass(frozen=True)
class State:
    """The inputs of training and bundle now, and which of them differ from what was built."""

    training: dict[str, str]
    inputs: dict[str, str]
    changed: list[str]


def models(root: Path) -> list[str]:
    """Every model with a folder, sorted."""
    return sorted(path.parent.name for path in root.glob(f"models/*/{fingerprint.CONFIG}"))


def inspect(home: Home) -> State:
    """Compare the inputs of the model with those of its bundle. Raises ModelctlError."""
    if not home.config.is_file():
        raise _no_folder(home)
    training = fingerprint.of_training(home.root, home.model)
    inputs = fingerprint.of_bundle(home.root, home.model, training)
    return State(training, inputs, _changed(home, inputs))


def require_folder(root: Path, model: str) -> None:
    """Raise ModelctlError for a model without a folder (often a typo)."""
    home = Home(root, model)
    if not home.config.is_file():
        raise _no_folder(home)


def require_built(root: Path, model: str) -> None:
    """Raise ModelctlError for a model without a bundle, or without a folder."""
    home = Home(root, model)
    if not (home.bundle / MANIFEST).exists():
        require_folder(root, model)
        raise ModelctlError(
            f"'{model}' has no bundle yet",
            expected=f"build/bundles/{model}",
            found="nothing there",
            fix=f"modelctl build {model}, or pass --bundle",
        )


def require_current(root: Path, model: str) -> None:
    """Raise RefusedError if the inputs changed since `build` made the bundle.

    A bundle that comes from elsewhere has no record of its inputs and passes.
    """
    home = Home(root, model)
    record = _record(home.bundle / REPORT).get(BUILT)
    if not isinstance(record, dict) or not home.config.is_file():
        return
    changed = inspect(home).changed
    if changed:
        raise RefusedError(
            f"build/bundles/{model} is out of date",
            expected=f"a build of models/{model} as it is now",
            found=f"changed since: {fingerprint.in_words(changed)}",
            fix=f"modelctl build {model}",
        )


def _no_folder(home: Home) -> ModelctlError:
    return ModelctlError(
        f"model '{home.model}' has no folder",
        expected=names.expectation(home.model, models(home.root)),
        found=f"no models/{home.model}/{fingerprint.CONFIG}",
        fix=f"modelctl new {home.model}, or modelctl new {home.model} --from FILE",
    )


def train(home: Home, state: State, *, force: bool = False) -> Path:
    """Bring build/training/<model> up to date and return it. Raises ModelctlError."""
    out = home.training
    record = _record(out / RECORD)
    done = record.get("outputs")
    outputs = fingerprint.of_folder(out) if out.is_dir() else {}
    outputs.pop(RECORD, None)
    if not force and done == outputs and record.get("inputs") == state.training:
        return out
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        source = home.source()
        if source is None:
            _run(home, out)
        else:
            out.mkdir()
            sources.collect(source, home.folder, home.root, out, _downloads(home))
        outputs = fingerprint.of_folder(out)
        document = {"inputs": state.training, "outputs": outputs}
        (out / RECORD).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except BaseException:
        # Half of a training looks like a whole one.
        shutil.rmtree(out, ignore_errors=True)
        raise
    return out


def record_of(home: Home, state: State, digest: str) -> dict[str, Any]:
    """What stands in report.json about the build: the model, its inputs and the digest."""
    return {"model": home.model, "inputs": state.inputs, "digest": digest}


def require_own_bundle(home: Home, samples: frozenset[str] = frozenset()) -> None:
    """Raise RefusedError for a bundle in the model's place that was not built from its folder.

    A bundle of the model's own sample, or of one of `samples` (SHA-256), is an earlier one of it.
    """
    manifest_file = home.bundle / MANIFEST
    if not manifest_file.exists():
        return
    record = _record(home.bundle / REPORT).get(BUILT)
    manifest = _record(manifest_file)
    if isinstance(record, dict) and record.get("model") == home.model and _is_intact(home, record):
        return
    if manifest.get("training", {}).get("data_sha256") in _samples(home) | samples:
        return
    raise RefusedError(
        f"build/bundles/{home.model} was not built from models/{home.model}",
        expected="a bundle of an earlier build, or none",
        found=f"{manifest.get('name')} {manifest.get('version')}, packaged from other files",
        fix=f"to keep that model: move it away (`mv build/bundles/{home.model} "
        f"build/bundles/{home.model}-kept`), then give it a folder with `modelctl new NAME --from "
        f"FILE`. To replace it: `modelctl build {home.model} --replace`",
    )


def _is_intact(home: Home, record: dict[str, Any]) -> bool:
    """Whether the bundle is the one that the record was written for."""
    try:
        return verify(home.bundle).digest == record.get("digest")
    except BundleRefusedError:
        # Damaged: there is nothing in it to keep.
        return True


def _changed(home: Home, inputs: dict[str, str]) -> list[str]:
    try:
        digest = verify(home.bundle).digest
    except BundleRefusedError:
        return ["no bundle" if not home.bundle.exists() else "the bundle is damaged"]
    record = _record(home.bundle / REPORT).get(BUILT)
    if not isinstance(record, dict) or record.get("digest") != digest:
        return ["no record of its inputs"]
    return fingerprint.differences(record.get("inputs"), inputs)


def _samples(home: Home) -> set[str]:
    """The hashes of the samples that this model is known to have."""
    known = set()
    for name in ("sample.csv", "sample.parquet"):
        if (home.training / name).is_file():
            known.add(sources.sha256_of(home.training / name))
    if home.config.is_file() and (source := home.source()) is not None:
        known.add(source.sample.sha256)
    return known


def _run(home: Home, out: Path) -> None:
    script = home.folder / CODE
    if not script.is_file():
        raise ModelctlError(
            f"models/{home.model} has no way to a model",
            expected=f"{CODE}, or `source:` in {fingerprint.CONFIG}",
            found=", ".join(sorted(path.name for path in home.folder.iterdir())),
            fix=f"write models/{home.model}/{CODE}, or `modelctl new NAME --from FILE`",
        )
    # In the repository's root, as by hand. Bytecode beside the code would be noise.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, str(script.relative_to(home.root))]
    argv += ["--out", str(out.relative_to(home.root))]
    done = subprocess.run(argv, cwd=home.root, env=environment, check=False)
    if done.returncode != 0:
        raise ModelctlError(
            f"the training of '{home.model}' failed",
            expected="exit code 0",
            found=f"exit code {done.returncode}",
            fix=f"read its output above; run it alone with `python models/{home.model}/{CODE} "
            f"--out build/training/{home.model}`",
        )


def _downloads(home: Home) -> Callable[[str, str], Path]:
    cache = home.root / "build" / "downloads"
    return lambda url, sha256: download(url, sha256, cache, os.environ)


def _record(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
