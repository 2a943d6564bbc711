"""Every rule about the files under `environments/`, each problem with file, line and way out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import changes, codeowners, placement, yamlfile
from modelctl.repository.environments import (
    ALL_MODELS,
    CHART,
    COMMON,
    FILE,
    VALUE_FILES,
    Environment,
    Repository,
    Version,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from ruamel.yaml.comments import CommentedMap

CHART_VALUES = f"{CHART}/values.yaml"


def problems(repository: Repository, changed: changes.Changes | None = None) -> list[str]:
    """All problems of all environments; empty when everything is in order.

    With `changed` nothing else is read, so that the time does not grow with the number of models.
    """
    touched = changed.touched if changed else {changes.EVERYTHING}
    markers = placement.read_markers(repository.root / CHART_VALUES)
    folder = repository.root / "environments"
    known = {environment.name for environment in repository.environments}
    found = [
        f"{path.relative_to(repository.root)}: not an environment of environments.yaml; "
        "add it there or remove the folder"
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name not in known
    ]
    found.extend(_owners(repository))
    for environment in repository.environments:
        found.extend(_environment(repository, environment, markers, touched))
        found.extend(_freezes(environment, datetime.now(UTC)))
    return found


def _environment(
    repository: Repository,
    environment: Environment,
    markers: dict[placement.Keys, str],
    touched: set[str],
) -> Iterator[str]:
    everything = bool(touched & {changes.EVERYTHING, environment.name})
    folder = repository.root / "environments" / environment.name
    common = folder / COMMON
    pinned = repository.before(environment) is not None
    if not common.is_file():
        yield f"{common.relative_to(repository.root)}: missing; create it, it may be empty"
        return
    if everything:
        yield from _values(repository, common, "settings", markers)
    paths = folder.iterdir() if everything else _touched_models(folder, touched)
    for path in sorted(paths):
        if path.is_dir():
            yield from _source(repository, environment, path)
            yield from _model(repository, path, markers, pinned=pinned)
        elif path.name != COMMON:
            yield f"{path.relative_to(repository.root)}: unknown file; expected {COMMON} only"


def _source(repository: Repository, environment: Environment, folder: Path) -> Iterator[str]:
    """A model that is not set up in the environment before can never get a version here."""
    before = repository.before(environment)
    if before is not None and not repository.folder(before, folder.name).is_dir():
        name = folder.relative_to(repository.root)
        yield (
            f"{name}: '{folder.name}' is not set up in '{before.name}', where its versions come "
            f"from; create environments/{before.name}/{folder.name}"
        )


def _touched_models(folder: Path, touched: set[str]) -> Iterator[Path]:
    """The models of an environment that changed and are still there; none is looked for."""
    for place in touched:
        environment, _, model = place.partition("/")
        if model and environment == folder.name and (folder / model).is_dir():
            yield folder / model


def _owners(repository: Repository) -> Iterator[str]:
    """Approvals count only once they are in the file that the forge reads."""
    path = repository.root / codeowners.FILE
    present = path.read_text(encoding="utf-8") if path.is_file() else ""
    asked = any(environment.approvals for environment in repository.environments)
    if (asked or present) and codeowners.text(present, repository.environments) != present:
        yield f"{codeowners.FILE}: not what `approvals` in {FILE} ask for; `make generate`"


def _freezes(environment: Environment, now: datetime) -> Iterator[str]:
    """Sync windows know no year, so a freeze that is over must go before it comes back."""
    for model, freeze in environment.freezes.items():
        if freeze.until <= now:
            scope = environment.name if model == ALL_MODELS else f"{environment.name}/{model}"
            yield f"{FILE}: the freeze of {scope} is over; `modelctl unfreeze {scope}`"


def _model(
    repository: Repository, folder: Path, markers: dict[placement.Keys, str], *, pinned: bool
) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.name not in VALUE_FILES:
            name = path.relative_to(repository.root)
            yield f"{name}: unknown file; expected one of {', '.join(VALUE_FILES)}"
    for path in (folder / name for name in VALUE_FILES):
        if path.is_file():
            content = yield from _values(repository, path, path.stem, markers)
            if path.stem == "version" and content is not None:
                yield from _version(repository, path, content, pinned=pinned)
        elif path.stem != "version":
            yield f"{path.relative_to(repository.root)}: missing; create it, it may be empty"


def _values(
    repository: Repository, path: Path, kind: str, markers: dict[placement.Keys, str]
) -> Generator[str, None, CommentedMap | None]:
    """Yields the keys that stand in the wrong file; returns what the file holds, if anything."""
    name = path.relative_to(repository.root)
    try:
        content = yamlfile.read(path)
    except ModelctlError as error:
        yield _below_root(repository, error)
        return None
    for keys in placement.leaves(content):
        belongs = placement.kind_of(keys, markers)
        where = f"{name}:{yamlfile.line_of(content, keys)}: {'.'.join(keys)}"
        if belongs is None:
            yield f"{where}: not a value of the chart; see {CHART_VALUES}"
        elif belongs != kind:
            yield f"{where}: belongs in {belongs}.yaml, not in {path.name}"
    return content


def _version(
    repository: Repository, path: Path, content: CommentedMap, *, pinned: bool
) -> Iterator[str]:
    """`pinned`: an environment after the first renders only a chart that is pinned."""
    try:
        version = yamlfile.validate(Version, path, content)
    except ModelctlError as error:
        yield _below_root(repository, error)
        return
    if pinned and version.chart is None:
        name = path.relative_to(repository.root)
        yield f"{name}: chart.version is missing; promote the version again"


def _below_root(repository: Repository, error: ModelctlError) -> str:
    return str(error).replace(f"{repository.root}/", "")
