"""Propose what a training left in a store: the newest result that an environment has not had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import bump, rollback
from modelctl.repository import history, release_values
from modelctl.repository.versions import Version, parse_chart_version
from modelctl.training.results import Shelf

if TYPE_CHECKING:
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

URL = "model.download.url"
# How the URL leads to the bundle of every version.
NAMES_DIGEST = ".Values.model.digest"


@dataclass(frozen=True)
class Found:
    """The version to write, which is the current one if there is nothing new, and remarks."""

    version: Version
    url: str
    notes: list[str]


def find(
    repository: Repository, model: str, environment: Environment, out: str, chart: str
) -> Found:
    """The newest result below a folder or URL, as a version of a release that downloads it.

    `chart`: version of the chart to pin; empty: that of the release. A result that the environment
    had before is not proposed again: whoever went back from it had a reason.

    Raises ModelctlError.
    """
    current = repository.version(environment, model)
    if current is None:
        raise ModelctlError(
            f"'{model}' has no release in {environment.name}",
            expected="a release whose bundle is downloaded",
            fix=f"first write one with `modelctl bump {model} --env {environment.name} --image "
            "IMAGE --bundle FOLDER`",
        )
    shelf = Shelf(out, model)
    _require_download(repository, model, environment, shelf)
    result = shelf.newest()
    if result is None:
        raise ModelctlError(
            f"no result of '{model}' in {out}",
            expected=f"{model}/results/",
            fix=f"modelctl train {model} --out {out}",
        )
    stored = shelf.stored(result.digest)
    trained = bump.model_version(stored.url, stored.version, stored.digest)
    pinned = parse_chart_version(chart) if chart else current.chart
    version = Version(image=current.image, model=trained, chart=pinned)
    entries = history.read(repository, environment, model)
    had = any(one.version is not None and one.version.model == trained for one in entries)
    if not had or trained == current.model:
        return Found(version, stored.url, [])
    reasons = rollback.withdrawal_notes(repository, environment, model, version)
    note = f"{environment.name} had the newest result before: {stored.digest}"
    return Found(current, stored.url, [note, *reasons])


def _require_download(
    repository: Repository, model: str, environment: Environment, shelf: Shelf
) -> None:
    values = release_values.read(repository, environment, model)
    url = release_values.text(values, URL)
    if NAMES_DIGEST not in url:
        folder = f'{{{{ {NAMES_DIGEST} | trimPrefix "sha256:" }}}}'
        raise RefusedError(
            f"'{model}' in {environment.name} does not download the bundle of its digest",
            expected=f"{URL}: {shelf.url(folder)}",
            found=f"{URL}: {url}" if url else f"no {URL}: its bundle is in its image",
            fix=f"set {URL}, or build an image and pass --image and --bundle",
        )
