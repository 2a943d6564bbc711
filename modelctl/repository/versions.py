"""The content of a version file: image, bundle and chart, each by what pins it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, StringConstraints

from modelctl.errors import ModelctlError
from modelctl.repository import yamlfile
from modelctl.repository.strict_model import STRICT, Text

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
SHORT_DIGITS = 12
# Semantic: pre-release and build metadata are optional.
CHART_VERSION = r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
_IMAGE = re.compile(
    r"(?P<repository>[a-z0-9.:-]+(?:/[a-z0-9._-]+)+):(?P<tag>[\w][\w.-]{0,127})"
    r"@(?P<digest>sha256:[0-9a-f]{64})"
)


def short(digest: str) -> str:
    """The first hex digits of a digest, for display."""
    return digest.removeprefix("sha256:")[:SHORT_DIGITS]


class _Strict(BaseModel):
    model_config = STRICT


class ImageVersion(_Strict):
    """The serving image: pulled by digest; the tag is informational."""

    repository: Text
    tag: Text
    digest: Digest

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}"


class ModelVersion(_Strict):
    """The bundle that the pod must serve."""

    version: Text
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
    if not re.match(CHART_VERSION, version):
        raise ModelctlError(
            f"'{version}' is not a chart version",
            expected="MAJOR.MINOR.PATCH, such as 0.2.0, 0.2.0-rc.1 or 0.2.0+b5",
            fix="correct --chart-version, or `version` in charts/ml-model/Chart.yaml",
        )
    return ChartVersion(version=version)


def parse_image(reference: str) -> ImageVersion:
    """Parse `repository:tag@sha256:...`. Raises ModelctlError for anything less exact."""
    match = _IMAGE.fullmatch(reference)
    if match is None:
        raise ModelctlError(
            f"image '{reference}' is not pinned by tag and digest",
            expected="REPOSITORY:TAG@sha256:<64 hex digits>",
            fix="use the digest that the registry reported when the image was pushed",
        )
    return ImageVersion(**match.groupdict())
