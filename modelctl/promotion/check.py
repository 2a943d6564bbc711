"""Every rule for the files under `environments/`; each violation has file, line and fix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.names import expectation
from modelctl.promotion import experiment_rules, variant_rules
from modelctl.repository import (
    changes,
    codeowners,
    names,
    overrides,
    placement,
    plain_files,
    strict_yaml,
    variants,
    yamlfile,
)
from modelctl.repository.checkout import (
    COMMON,
    EXPERIMENT_FILE,
    OVERRIDE_FILE,
    VALUE_FILES,
    Repository,
)
from modelctl.repository.environments import ALL_MODELS, CHART, FILE, Environment
from modelctl.repository.value_types import ValueTypes
from modelctl.repository.versions import Version

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

CHART_VALUES = f"{CHART}/values.yaml"
CHART_SCHEMA = f"{CHART}/values.schema.json"


@dataclass(frozen=True)
class _ChartValues:
    """What the chart says about its values: the file of each, and the type."""

    markers: dict[placement.Keys, str]
    types: ValueTypes

    @classmethod
    def read(cls, root: Path, values: str | None) -> _ChartValues:
        """The markers in the text of the values, or in a checkout, and the schema there.

        Raises ModelctlError if one of both has no markers that can be read: merged, the checkout's
        would be the rules of every later change.
        """
        here = root / CHART_VALUES
        own = here.read_text(encoding="utf-8", errors="replace") if here.is_file() else ""
        markers = read_markers(own)
        return cls(
            markers if values is None else read_markers(values),
            ValueTypes.read(root / CHART_SCHEMA),
        )


def read_markers(values: str) -> dict[placement.Keys, str]:
    """The `# @file` markers in the chart's values. Raises ModelctlError if there are none."""
    path = Path(CHART_VALUES)
    strict_yaml.parse(values, path)
    if markers := placement.read_markers(path, values):
        return markers
    raise ModelctlError(
        f"{path}: no `# @file` marker, missing or empty",
        expected="the file that may set each value, in the comment above it",
    )


def file_violations(
    repository: Repository,
    changed: changes.Changes | None = None,
    chart_values: str | None = None,
) -> list[str]:
    """All violations in all environments.

    With `changed` only changed files are read, so that the time does not depend on the number of
    models. `chart_values` is the text of the chart's values whose markers apply, by default those
    of the checkout.
    """
    touched = changed.touched if changed else {changes.EVERYTHING}
    # A changed chart or list of environments concerns every file.
    names = set(changed.names) if changed and changes.EVERYTHING not in touched else None
    # What lies elsewhere than it seems is not read at all.
    if irregular := plain_files.violations(repository.root, changed.names if changed else None):
        return irregular
    chart = _ChartValues.read(repository.root, chart_values)
    folder = repository.root / "environments"
    known = {environment.name for environment in repository.environments}
    violations = [
        f"{path.relative_to(repository.root)}: not listed in environments.yaml; "
        "add the environment there, or remove the folder"
        for path in sorted(folder.iterdir())
        if path.is_dir() and path.name not in known
    ]
    violations.extend(_name_violations(repository))
    violations.extend(codeowners.violations(repository.root, repository.environments))
    for environment in repository.environments:
        violations.extend(_environment_violations(repository, environment, chart, touched, names))
        violations.extend(_freeze_violations(environment, datetime.now(UTC)))
        violations.extend(_replay_violations(environment, repository.models()))
    return violations


def _name_violations(repository: Repository) -> Iterator[str]:
    """Names are few bytes of a listing: all of them, whatever changed."""
    releases = repository.releases()
    for environment, model in releases:
        if problem := names.model_violation(model):
            yield f"environments/{environment}/{model}: {problem}; rename the folder"
    environments = [environment.name for environment in repository.environments]
    for (environment, model), problem in names.application_violations(environments, releases):
        yield f"environments/{environment}/{model}: {problem}; rename the model"
    known = variants.of_releases(repository)
    for (environment, model), variant, problem in names.object_violations(known):
        folder = f"environments/{environment}/{model}"
        if variant:
            yield f"{folder}/{variants.FOLDER}/{variant}.yaml: {problem}; rename the variant"
        else:
            yield f"{folder}: {problem}; rename the model or the variant"


def _environment_violations(
    repository: Repository,
    environment: Environment,
    chart: _ChartValues,
    touched: set[str],
    names: set[str] | None,
) -> Iterator[str]:
    everything = bool(touched & {changes.EVERYTHING, environment.name})
    folder = repository.root / "environments" / environment.name
    common = folder / COMMON
    if not common.is_file():
        yield f"{common.relative_to(repository.root)}: missing; create it, it may be empty"
        return
    if everything:
        yield from _value_violations(repository, common, "settings", chart)
    paths = folder.iterdir() if everything else _touched_models(folder, touched)
    for path in sorted(paths):
        if path.is_dir():
            yield from _source_violations(repository, environment, path)
            yield from _model_violations(repository, environment, path, chart, names)
        elif path.name != COMMON:
            yield f"{path.relative_to(repository.root)}: unknown file; expected {COMMON} only"


def _source_violations(
    repository: Repository, environment: Environment, folder: Path
) -> Iterator[str]:
    """A model without a folder in a previous environment can never be promoted here."""
    for before in repository.previous(environment):
        if not repository.folder(before, folder.name).is_dir():
            name = folder.relative_to(repository.root)
            yield (
                f"{name}: '{folder.name}' is not set up in the previous environment "
                f"'{before.name}'; create environments/{before.name}/{folder.name}"
            )


def _touched_models(folder: Path, touched: set[str]) -> Iterator[Path]:
    """The changed models of an environment that still exist, without listing its folder."""
    for scope in touched:
        environment, _, model = scope.partition("/")
        if model and environment == folder.name and (folder / model).is_dir():
            yield folder / model


def _freeze_violations(environment: Environment, now: datetime) -> Iterator[str]:
    """Sync windows have no year: an expired freeze would apply again a year later."""
    for model, freeze in environment.freezes.items():
        if freeze.until <= now:
            scope = environment.name if model == ALL_MODELS else f"{environment.name}/{model}"
            yield f"{FILE}: the freeze of {scope} has expired; run `modelctl unfreeze {scope}`"


def _replay_violations(environment: Environment, models: Sequence[str]) -> Iterator[str]:
    """A name with a typo would limit nothing, in silence."""
    for model in environment.replay:
        if model not in (ALL_MODELS, *models):
            yield (
                f"{FILE}: `replay` of '{environment.name}' is for '{model}', which no environment "
                f"has; expected {expectation(model, models)}"
            )


def _model_violations(
    repository: Repository,
    environment: Environment,
    folder: Path,
    chart: _ChartValues,
    names: set[str] | None,
) -> Iterator[str]:
    """`names`: the files to read; the others need only be there."""
    needs_chart = not repository.is_first(environment)
    for path in sorted(folder.iterdir()):
        if path.name not in VALUE_FILES:
            yield from _other_violations(repository, environment, path, chart, names)
    for path in (folder / name for name in VALUE_FILES):
        if path.is_file():
            if names is not None and path.relative_to(repository.root).as_posix() not in names:
                continue
            document = yield from _value_violations(repository, path, path.stem, chart)
            if path.stem == "version" and document is not None:
                yield from _version_violations(repository, path, document, needs_chart=needs_chart)
        elif path.stem != "version":
            yield f"{path.relative_to(repository.root)}: missing; create it, it may be empty"


def _other_violations(
    repository: Repository,
    environment: Environment,
    path: Path,
    chart: _ChartValues,
    names: set[str] | None,
) -> Iterator[str]:
    """What is beside the value files of a model."""
    if path.name == OVERRIDE_FILE:
        yield from _override_violations(repository, path)
    elif path.name == EXPERIMENT_FILE:
        # Always read: it depends on the variants and settings beside it, and on the date.
        yield from experiment_rules.violations(repository, environment, path, datetime.now(UTC))
    elif path.name == variants.FOLDER and path.is_dir():
        yield from _variant_violations(repository, path, chart, names)
    else:
        name = path.relative_to(repository.root)
        expected = ", ".join((*VALUE_FILES, EXPERIMENT_FILE, f"{variants.FOLDER}/NAME.yaml"))
        yield f"{name}: unknown file; expected one of {expected}"


def _variant_violations(
    repository: Repository, folder: Path, chart: _ChartValues, names: set[str] | None
) -> Iterator[str]:
    """The variants of a model: together, whatever changed, and each file by itself."""
    for violation in variant_rules.folder_violations(folder.parent):
        yield violation.replace(f"{repository.root}/", "")
    for path in variants.paths(folder.parent):
        if names is not None and path.relative_to(repository.root).as_posix() not in names:
            continue
        document = yield from _value_violations(repository, path, "variant", chart)
        if document is not None:
            try:
                variants.parse(path, document)
            except ModelctlError as error:
                yield _relative(repository, error)


def _override_violations(repository: Repository, path: Path) -> Iterator[str]:
    try:
        yamlfile.validate_strict(overrides.Override, path)
    except ModelctlError as error:
        yield _relative(repository, error)


def _value_violations(
    repository: Repository, path: Path, kind: str, chart: _ChartValues
) -> Generator[str, None, strict_yaml.Document | None]:
    """Yield the keys that are in the wrong file; return the file's content unless invalid."""
    name = path.relative_to(repository.root)
    try:
        document = strict_yaml.read(path)
    except ModelctlError as error:
        yield _relative(repository, error)
        return None
    for keys in placement.leaves(document.content):
        expected = placement.kind_of(keys, chart.markers)
        where = f"{name}:{document.line_of(keys)}: {'.'.join(keys)}"
        if expected is None:
            yield f"{where}: not a value of the chart; see {CHART_VALUES}"
        elif expected != kind:
            file = f"{variants.FOLDER}/NAME" if expected == "variant" else expected
            yield f"{where}: belongs in {file}.yaml, not in {path.name}"
    for place, message in chart.types.violations(document.content):
        yield f"{name}:{document.line_of(place)}: {'.'.join(map(str, place))}: {message}"
    return document


def _version_violations(
    repository: Repository, path: Path, document: strict_yaml.Document, *, needs_chart: bool
) -> Iterator[str]:
    """`needs_chart`: environments after the first render a pinned chart only."""
    try:
        version = yamlfile.validate_strict(Version, path, document)
    except ModelctlError as error:
        yield _relative(repository, error)
        return
    if needs_chart and version.chart is None:
        name = path.relative_to(repository.root)
        yield f"{name}: chart.version is missing; promote the version again"


def _relative(repository: Repository, error: ModelctlError) -> str:
    """The error with paths relative to the repository."""
    return str(error).replace(f"{repository.root}/", "")
