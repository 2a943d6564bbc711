"""The variants of a model in an environment: `variants/<name>.yaml`, a version and its share.

Each is a value file of the model's own release, so its content stands below `variants.<name>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator

from modelctl.errors import ModelctlError
from modelctl.repository import edits, names, plain_files, scalars, yamlfile
from modelctl.repository.strict_model import STRICT
from modelctl.repository.versions import ImageVersion, ModelVersion, Version, read_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from modelctl.repository import strict_yaml
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

FOLDER = "variants"
NAME = r"[a-z0-9](?:[-a-z0-9]{0,43}[a-z0-9])?"
VARIANT_FILE = re.compile(rf"environments/([^/]+)/([^/]+)/{FOLDER}/({NAME})\.yaml")
FILES = f":(glob)environments/*/*/{FOLDER}/*.yaml"  # as git calls them
# One grows from the first bucket of users up, one from the last down, so that neither moves the
# other's: a share that grows takes users from the release alone.
MAX_SHARING = 2
# Beyond it Kubernetes cuts the names of pods, which metrics and alerts go by; the chart refuses it.
MAX_OBJECT_NAME = 46
# The arm without a variant is called primary.
RESERVED = names.SUFFIXES | {"primary"}

Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]
Quantity = str | int | float
Artifacts = tuple[ImageVersion, ModelVersion]


class _Strict(BaseModel):
    model_config = STRICT


class Match(_Strict):
    """The header of requests that always get the variant."""

    header: Header
    value: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "true"


class Mirror(_Strict):
    """Which percentage of requests is copied to the variant, whose answers are dropped."""

    percent: Annotated[int, Field(ge=1, le=100)]


class Resources(_Strict):
    """Requests and limits that differ from the release's."""

    requests: dict[str, Quantity] = {}
    limits: dict[str, Quantity] = {}


class Content(_Strict):
    """What a file says of its variant; image and model as in a version file."""

    image: ImageVersion
    model: ModelVersion
    share: Annotated[int, Field(ge=0, le=100)] = 0
    match: Match | None = None
    mirror: Mirror | None = None
    replica_count: Annotated[int | None, Field(alias="replicaCount", ge=0)] = None
    resources: Resources | None = None

    @property
    def artifacts(self) -> Artifacts:
        """What runs: image and bundle."""
        return self.image, self.model

    def starts_serving(self, before: Content | None) -> bool:
        """Whether it gets a share of the users, and what was there before did not."""
        had_share = before is not None and before.artifacts == self.artifacts and before.share
        return bool(self.share and not had_share)

    def serves_more(self, before: Content | None) -> bool:
        """Whether it gets users whom this version did not have before; a shadow answers nobody."""
        if before is None or before.artifacts != self.artifacts:
            return True
        return self.share > before.share or self.match not in (None, before.match)

    @model_validator(mode="after")
    def _one_role(self) -> Content:
        if self.mirror and self.share:
            raise ValueError("expected `mirror` (a shadow) or `share` (an arm), found both")
        if self.replica_count == 0 and (self.share or self.match):
            raise ValueError("expected pods for its `share` or `match`, found replicaCount 0")
        return self


def content_of(values: Mapping[str, Any]) -> Content:
    """The content with these values, as a file would have them. Raises ModelctlError."""
    try:
        return Content.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'variant'}: {item['msg']}"
            for item in error.errors()
        ]
        raise ModelctlError("; ".join(problems), fix="change the options of the command") from error


class File(_Strict):
    """A file, which has one variant."""

    variants: Annotated[dict[str, Content], Field(min_length=1, max_length=1)]


@dataclass(frozen=True)
class Variant:
    """Another version that serves beside the primary, and what is sent to it."""

    name: str
    content: Content

    @property
    def share(self) -> int:
        """Its percentage of the traffic."""
        return self.content.share

    @property
    def version(self) -> str:
        """The version of its model."""
        return self.content.model.version

    @property
    def role(self) -> str:
        """What is sent to it, for display."""
        parts = [f"{self.share} %"] if self.share else []
        if self.content.mirror:
            parts.append(f"shadow of {self.content.mirror.percent} %")
        if self.content.match:
            parts.append(f"{self.content.match.header}: {self.content.match.value}")
        return ", ".join(parts) or "no traffic"


def paths(folder: Path) -> list[Path]:
    """The variant files in the folder of a model, sorted as Argo CD sorts them."""
    return sorted((folder / FOLDER).glob("*.yaml"))


def of_releases(repository: Repository) -> dict[names.Release, list[str]]:
    """The names of the variants of each release, from listings alone."""
    root = repository.root / "environments"
    return {
        (environment, model): [file.stem for file in paths(root / environment / model)]
        for environment, model in repository.releases()
    }


def path(repository: Repository, environment: Environment, model: str, name: str) -> Path:
    """The file of a variant, existing or not. Raises ModelctlError for a name it cannot have."""
    if problem := name_violation(model, name):
        raise ModelctlError(problem, fix="choose another name")
    file = repository.folder(environment, model) / FOLDER / f"{name}.yaml"
    plain_files.require(repository.root, file)
    return file


def name_violation(model: str, name: str) -> str:
    """What is wrong with the name of a variant; empty if nothing is."""
    if re.fullmatch(NAME, name) is None:
        return f"invalid variant name '{name}': expected a-z, 0-9 and -, not at the ends"
    if name in RESERVED:
        reserved = ", ".join(sorted(RESERVED))
        return f"the variant name '{name}' is reserved, as are {reserved}"
    if scalars.is_word(name):
        return (
            f"the variant name '{name}' is a boolean in YAML: expected a name that needs no quotes"
        )
    length = len(f"{model}-{name}")
    if length > MAX_OBJECT_NAME:
        return f"{model}-{name} has {length} characters, at most {MAX_OBJECT_NAME} are allowed"
    return ""


def parse(file: Path, content: strict_yaml.Document | str | bytes | None = None) -> Variant:
    """The variant in a file, or in a text. Raises ModelctlError with every problem."""
    found = yamlfile.validate_strict(File, file, content).variants
    ((name, values),) = found.items()
    if name != file.stem:
        raise ModelctlError(
            f"{file}: the file of variant '{file.stem}' has another one",
            expected=f"variants.{file.stem}",
            found=f"variants.{name}",
            fix="rename the file or the key",
        )
    return Variant(name, values)


def content_in(path: Path, text: bytes) -> Content | Version | None:
    """What the text of a variant or of a version file says; None if nothing that could run."""
    try:
        if path.parent.name == FOLDER:
            return parse(path, text).content
        return read_version(path, text)
    except ModelctlError:
        return None


def artifacts_in(path: Path, text: str | None) -> Artifacts | None:
    """Image and bundle in the text of a version file or a variant; None if it names none."""
    content = content_in(path, text.encode()) if text is not None else None
    return (content.image, content.model) if content else None


def read(folder: Path) -> dict[str, Variant]:
    """The variants in the folder of a model, by name. Raises ModelctlError."""
    return {file.stem: parse(file) for file in paths(folder)}


def require(repository: Repository, environment: Environment, model: str, name: str) -> Variant:
    """A variant that exists. Raises ModelctlError that lists those that do."""
    repository.require_model(environment, model)
    known = read(repository.folder(environment, model))
    if name not in known:
        raise ModelctlError(
            f"'{model}' has no variant '{name}' in '{environment.name}'",
            expected=", ".join(known) or "one that `modelctl variant add` made",
        )
    return known[name]


def plan(file: Path, content: Content) -> edits.Edit:
    """Plan to write a variant."""
    values = content.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
    return edits.set_content(file, {FOLDER: {file.stem: values}})
