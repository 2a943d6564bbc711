"""The content of a version file: image, bundle and chart, each by what pins it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, StringConstraints, ValidationError

from modelctl.errors import ModelctlError
from modelctl.repository import yamlfile
from modelctl.repository.strict_model import STRICT

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
SHORT_DIGITS = 12
# Semantic Versioning 2.0.0 and the grammar of references of the OCI distribution, in ASCII alone:
# pydantic's `\d` and `\w` take digits and letters of every script.
_NUMBER = r"(0|[1-9][0-9]*)"
_PRE = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD = r"[0-9A-Za-z-]+"
CHART_VERSION = rf"^{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+{_BUILD}(\.{_BUILD})*)?$"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[A-Fa-f0-9:]+\])(:[0-9]+)?"
_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = rf"^({_HOST}/)?{_PART}(/{_PART})*$"
TAG = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"
MAX_REPOSITORY = 255
# What a label and a tag can say of it, and no template or other YAML.
MODEL_VERSION = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$"


def short(digest: str) -> str:
    """The first hex digits of a digest, for display."""
    return digest.removeprefix("sha256:")[:SHORT_DIGITS]


class _Strict(BaseModel):
    model_config = STRICT


class ImageVersion(_Strict):
    """The serving image: pulled by digest; the tag is informational."""

    repository: Annotated[str, StringConstraints(pattern=REPOSITORY, max_length=MAX_REPOSITORY)]
    tag: Annotated[str, StringConstraints(pattern=TAG)]
    digest: Digest

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}"


class ModelVersion(_Strict):
    """The bundle that the pod must serve."""

    version: Annotated[str, StringConstraints(pattern=MODEL_VERSION)]
    digest: Digest


class ChartVersion(_Strict):
    """The chart version that renders the release, unless it is the checkout's own chart."""

    version: Annotated[str, StringConstraints(pattern=CHART_VERSION)]


class Version(_Strict):
    """The content of a version file: everything that a promotion copies.

    Only the first environment may omit `chart`: it renders the checkout's own chart.
    """

    image: ImageVersion
    model: ModelVersion
    chart: ChartVersion | None = None


@cache
def _version(content: bytes) -> Version:
    return yamlfile.validate_strict(Version, Path("version.yaml"), content)


def read_version(path: Path, content: bytes) -> Version:
    """The version in the content of a file, which is parsed once however often it is found.

    Raises ModelctlError that names `path`.
    """
    try:
        return _version(content)
    except ModelctlError:
        return yamlfile.validate_strict(Version, path, content)


def parse_chart_version(version: str) -> ChartVersion:
    """Parse a chart version. Raises ModelctlError."""
    if not re.fullmatch(CHART_VERSION, version):
        raise ModelctlError(
            f"'{version}' is not a chart version",
            expected="MAJOR.MINOR.PATCH, such as 0.2.0, 0.2.0-rc.1 or 0.2.0+b5",
            fix="correct --chart-version, or `version` in charts/ml-model/Chart.yaml",
        )
    return ChartVersion(version=version)


def parse_image(reference: str) -> ImageVersion:
    """Parse `repository:tag@sha256:...`. Raises ModelctlError for anything less exact."""
    name, _, digest = reference.partition("@")
    repository, _, tag = name.rpartition(":")
    try:
        return ImageVersion(repository=repository, tag=tag, digest=digest)
    except ValidationError as error:
        raise ModelctlError(
            f"image '{reference}' is not pinned by tag and digest",
            expected="REPOSITORY:TAG@sha256:<64 hex digits>",
            fix="use the digest that the registry reported when the image was pushed",
        ) from error


def is_older(chart: ChartVersion | None, other: ChartVersion | None) -> bool:
    """Whether a chart precedes another one by Semantic Versioning; build metadata do not count."""
    return bool(chart and other and precedence(chart.version) < precedence(other.version))


def precedence(version: str) -> tuple[object, ...]:
    """A key that sorts valid chart versions: a pre-release comes before its version."""
    core, _, pre = version.partition("+")[0].partition("-")
    # Numbers before texts, and a longer list after its beginning.
    parts = [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in pre.split(".")]
    return (*map(int, core.split(".")), not pre, tuple(parts if pre else ()))
