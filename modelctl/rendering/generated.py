"""Shared by the modules that generate checked-in files from the chart."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from modelctl import proc
from modelctl.rendering import render
from modelctl.repository import yamlfile
from modelctl.repository.environments import CHART

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WIDTH = 100


def render_chart(
    root: Path,
    helm: str,
    *,
    release: str,
    namespace: str,
    values: Sequence[str],
    options: Sequence[str] = (),
) -> list[render.Manifest]:
    """The objects of the checkout's chart with these `--set` values and options of Helm."""
    return render.parse(
        proc.run(
            [
                *(helm, "template", release, str(root / CHART), *options),
                *("--namespace", namespace, "--kube-version", render.KUBE_VERSION),
                *(part for value in values for part in ("--set", value)),
            ]
        )
    )


def dump(content: Any) -> str:
    """The content as YAML, formatted as yamllint requires."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = WIDTH
    yaml.dump(content, stream)
    return stream.getvalue()


def replace_folder(folder: Path, files: Mapping[Path, str]) -> None:
    """Write the files of a folder, and remove every other file from it."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in set(folder.glob("*")) - set(files):
        path.unlink()
    for path, text in files.items():
        yamlfile.write(path, text)
