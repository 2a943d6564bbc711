"""Plan a model folder for a finished model: its files, pinned by SHA-256, and no training code.

The model is loaded with its sample first, so what cannot be packaged is said before any file is
written.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging import build, fingerprint, sources
from modelctl.packaging.custom_code import find_custom_code
from modelctl.packaging.own_code import files_of
from modelctl.packaging.remote_file import download
from modelctl.packaging.sources import Pinned, Source
from modelctl.packaging.training_output import (
    Request,
    TrainingOutput,
    named_targets,
    read_training_output,
)
from modelctl.repository import edits, scaffold, yamlfile

if TYPE_CHECKING:
    from modelctl.repository.checkout import Repository

FIRST_VERSION = "0.1.0"
# GitHub warns of larger files and refuses those above 100 MB.
LARGE_BYTES = 50_000_000
HEAD = """\
# A finished model: packaged from the files in `source` by `modelctl build {model}`, if they have
# these SHA-256. `modelctl new {model} --replace --from FILE` puts a newer file in their place.
"""


@dataclass(frozen=True)
class Wanted:
    """The options of `modelctl new --from`: paths or URLs, and what model.yaml says."""

    model: str
    place: str
    sample: str
    metrics: str = ""
    target: str | tuple[str, ...] = ""
    key: str = ""
    version: str = ""
    description: str = ""
    replace: bool = False


@dataclass(frozen=True)
class Adopted:
    """The planned files, the loaded model, and what the user should know."""

    planned: list[edits.Edit]
    training_output: TrainingOutput
    sample: Path
    notes: list[str]
    config: edits.Edit


def plan(repository: Repository, wanted: Wanted, scratch: Path) -> Adopted:
    """Plan every file; `scratch` is an empty folder for copies. Raises ModelctlError."""
    scaffold.require_valid_name(repository, wanted.model)
    home = build.Home(repository.root, wanted.model)
    _require_free(home, wanted)
    places = {"model": wanted.place, "sample": wanted.sample, "metrics": wanted.metrics}
    files = {name: place for name, place in places.items() if place}
    pinned, copies = {}, []
    for name, place in files.items():
        local = _local(name, place, home, scratch)
        inside = _place_in_folder(name, place, home)
        pinned[name] = Pinned(inside, sources.sha256_of(local))
        if not sources.is_url(inside):
            copies.append(edits.copy(local, home.folder / inside))
    source = Source(pinned["model"], pinned["sample"], pinned.get("metrics"), wanted.key)
    earlier = home.source() if home.config.is_file() else None
    config = _config(home, wanted, source)
    training_output = _loaded(home, scratch, wanted, config)
    modules = files_of(find_custom_code(training_output.estimator))
    if build.CODE in modules:
        raise ModelctlError(
            f"the model needs a module that is called {build.CODE}",
            expected=f"another name: {build.CODE} in models/{wanted.model} would be its training",
            found=str(modules[build.CODE]),
            fix="move the classes into another module, and train again",
        )
    code = [
        edits.copy(path, home.folder / name)
        for name, path in modules.items()
        if not path.is_relative_to(repository.root.resolve() / fingerprint.MODELS)
    ]
    planned = [
        config,
        *copies,
        *code,
        *_left(home, earlier, source),
        *scaffold.value_files(repository, wanted.model),
    ]
    return Adopted(
        planned,
        training_output,
        _named(scratch, "sample", files["sample"]),
        _notes(repository, home, [*copies, *code], source),
        config,
    )


def _require_free(home: build.Home, wanted: Wanted) -> None:
    """Raise RefusedError for a folder with a model, unless it is a finished one to be replaced."""
    if not home.config.exists() and not (home.folder / build.CODE).exists():
        return
    has_code = (home.folder / build.CODE).exists()
    if not has_code and wanted.replace:
        return
    raise RefusedError(
        f"model '{wanted.model}' already exists",
        expected="a new name" if has_code else "a new name, or --replace for a newer file",
        found=f"models/{wanted.model}/" + (build.CODE if has_code else "model.yaml"),
        fix="choose another name; a folder has either training code or a finished model"
        if has_code
        else f"modelctl new {wanted.model} --replace --from {wanted.place} --sample "
        f"{wanted.sample}",
    )


def _local(name: str, place: str, home: build.Home, scratch: Path) -> Path:
    """A copy of the file as packaging names it. Raises ModelctlError."""
    if sources.is_url(place):
        problems = sources.place_problems(name, place)
        if problems:
            raise ModelctlError(
                f"the URL of the {name} cannot be used",
                expected="https://host/path, s3://, gs:// or az://, without a secret: git keeps it",
                found="; ".join(problems),
            )
        path = download(place, None, home.root / "build" / "downloads", os.environ)
    else:
        path = Path(place)
        if not path.is_file():
            raise ModelctlError(
                f"the {name} cannot be read: {place}",
                expected="a file, or a URL",
                found="a folder" if path.is_dir() else "nothing",
            )
    target = _named(scratch, name, place)
    shutil.copyfile(path, target)
    return target


def _named(scratch: Path, name: str, place: str) -> Path:
    endings = {"model": ".joblib", "metrics": ".json"}
    ending = ".parquet" if place.endswith(".parquet") else Path(place).suffix
    return scratch / f"{name}{endings.get(name, ending)}"


def _place_in_folder(name: str, place: str, home: build.Home) -> str:
    """Where model.yaml finds the file: a URL stays, a file of the folder too, others are copied."""
    if sources.is_url(place):
        return place
    path = Path(place).resolve()
    if path.is_relative_to(home.folder.resolve()):
        return path.relative_to(home.folder.resolve()).as_posix()
    default = {"sample": "sample", "metrics": "evaluation"}.get(name, "model")
    return f"{default}{path.suffix or '.joblib'}"


def _config(home: build.Home, wanted: Wanted, source: Source) -> edits.Edit:
    before = home.config.read_text(encoding="utf-8") if home.config.is_file() else ""
    content = yamlfile.parse(before, home.config)
    target = wanted.target if isinstance(wanted.target, str) else list(wanted.target)
    defaults = {
        "name": wanted.model,
        "version": wanted.version or FIRST_VERSION,
        "description": wanted.description or f"What {wanted.model} predicts, in one sentence",
        "target": target,
    }
    given = {"version": wanted.version, "target": target, "description": wanted.description}
    for name, value in defaults.items():
        if value and (name not in content or given.get(name)):
            content[name] = value
    content["source"] = _block(source)
    text = yamlfile.dump(content)
    return edits.Edit(home.config, before, text if before else HEAD.format(model=home.model) + text)


def _block(source: Source) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for name, pinned in source.files().items():
        block[name] = {"uri" if pinned.is_remote else "path": pinned.place, "sha256": pinned.sha256}
    if source.key:
        block["model"]["key"] = source.key
    return block


def _loaded(home: build.Home, scratch: Path, wanted: Wanted, config: edits.Edit) -> TrainingOutput:
    """Load the model with its sample, as a build will. Raises ModelctlError."""
    content = yamlfile.parse(config.after or "", config.path)
    model, sample = scratch / "model.joblib", _named(scratch, "sample", wanted.sample)
    metrics = scratch / "metrics.json"
    request = Request(
        model,
        sample=sample,
        metrics=metrics if metrics.exists() else None,
        name=wanted.model,
        version=str(content["version"]),
        target=named_targets(content.get("target", "")),
        key=wanted.key,
        code=home.folder if sources.is_url(wanted.place) else Path(wanted.place).parent,
    )
    places = {model: wanted.place, sample: wanted.sample, metrics: wanted.metrics}
    try:
        loaded = read_training_output(request)
    except ModelctlError as error:
        raise _with_places(error, places) from error
    if loaded.absent_targets:
        raise ModelctlError(
            f"the sample has no column '{', '.join(loaded.absent_targets)}'",
            expected="the target column, beside those that the model was fitted on",
            found=", ".join(map(str, loaded.features.columns[:12])),
            fix="correct --target, or leave it out if the sample holds features only",
        )
    return loaded


def _with_places(error: ModelctlError, places: dict[Path, str]) -> ModelctlError:
    """The same error about the files that the user named, not about their copies."""
    texts = []
    for text in (error.what, error.found, error.expected, error.fix):
        for copy, place in places.items():
            text = text.replace(str(copy), place)
        texts.append(text)
    what, found, expected, fix = texts
    return type(error)(what, found=found, expected=expected, fix=fix)


def _left(home: build.Home, earlier: Source | None, source: Source) -> list[edits.Edit]:
    """Earlier files that the new source no longer names."""
    if earlier is None:
        return []
    kept = {pinned.place for pinned in source.files().values()}
    left = [p.place for p in earlier.files().values() if not p.is_remote and p.place not in kept]
    paths = [home.folder / place for place in left]
    return [edits.Edit(path, sources.sha256_of(path), None) for path in paths if path.is_file()]


def _notes(
    repository: Repository, home: build.Home, copies: list[edits.Edit], source: Source
) -> list[str]:
    notes = []
    for name, pinned in source.files().items():
        verb = "stays at" if pinned.is_remote else "is committed as"
        place = pinned.place if pinned.is_remote else f"models/{home.model}/{pinned.place}"
        notes.append(f"the {name} {verb} {place}, SHA-256 {pinned.sha256[:12]}...")
    for copy in copies:
        size = copy.source.stat().st_size if copy.source else 0
        if size > LARGE_BYTES:
            notes.append(
                f"{copy.path.name} has {size / 1e6:.0f} MB: keep it in git with Git LFS, or put it "
                "into a store and pass its URL"
            )
    for environment in repository.environments:
        version = repository.version(environment, home.model)
        if version is not None:
            notes.append(
                f"{environment.name} serves {version.model.version} ({version.model.digest[:19]}); "
                "that changes with a bump or a promotion only"
            )
    try:
        build.require_own_bundle(home, frozenset({source.sample.sha256}))
    except RefusedError as error:
        notes.append(f"{error.what}, and stays until `modelctl build {home.model} --replace`")
    return notes
