"""`ct lint` of chart-testing: the chart's metadata, its YAML, and `helm lint` of every example."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import rendering
from tests.chart import goldens
from tests.paths import ROOT

CONFIGURATION = rendering.TOOLS.parent / "share" / "chart-testing"


def lint(helm: str, chart: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What ct says of a chart; it finds `helm`, `yamllint` and `yamale` on PATH alone."""
    named = folder / "bin"
    named.mkdir()
    (named / "helm").symlink_to(rendering.tool(helm))
    path = os.pathsep.join([str(named), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [
            *(str(rendering.tool("ct")), "lint", "--charts", str(chart)),
            # The forge knows the maintainers, and `modelctl check --base` the version before.
            *("--check-version-increment=false", "--validate-maintainers=false"),
            *("--chart-yaml-schema", str(CONFIGURATION / "chart_schema.yaml")),
            *("--lint-conf", str(CONFIGURATION / "lintconf.yaml")),
            *("--helm-lint-extra-args", f"--strict --kube-version {rendering.KUBE_VERSION}"),
        ],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_chart_testing_finds_nothing(helm: str, tmp_path: Path) -> None:
    done = lint(helm, rendering.CHART, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    linted = done.stdout.count("Linting chart with values file")
    assert linted == len(goldens.examples())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("Chart.yaml", "unknown: true\n", "unknown: Unexpected element"),
        ("values.yaml", "trailing:   # blanks\n  - a \n", "trailing spaces"),
        ("ci/broken-values.yaml", "replicas: 1\n", "additional properties"),
    ],
)
def test_chart_testing_refuses_what_is_wrong(
    tmp_path: Path, file: str, text: str, said: str
) -> None:
    broken = tmp_path / "ml-model"
    shutil.copytree(rendering.CHART, broken)
    with (broken / file).open("a", encoding="utf-8") as stream:
        stream.write(text)
    done = lint("helm4", broken, tmp_path)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
