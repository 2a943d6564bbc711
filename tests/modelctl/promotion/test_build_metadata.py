"""Versions with build metadata (`1.0.0+b5`) through every command; no tag may contain the `+`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from modelctl.errors import ModelctlError
from modelctl.supply import builds
from tests.modelctl.conftest import DIGEST_A, commit_all, make_bundle, run

VERSIONS = ("1.0.0+b5", "1.0.0+b6")
CHART = "0.2.0+exp.1"


def released(repo: Path, environment: str) -> dict[str, str]:
    content = yaml.safe_load((repo / f"environments/{environment}/iris/version.yaml").read_text())
    return {"model": content["model"]["version"], "chart": content["chart"]["version"]}


def test_a_version_with_build_metadata_goes_all_the_way_and_back(repo: Path) -> None:
    (repo / "charts/ml-model/Chart.yaml").write_text(f"name: ml-model\nversion: {CHART}\n")
    (repo / ".gitignore").write_text("/build/\n")
    for version in VERSIONS:
        make_bundle(repo / "build/bundle", version)
        image = f"registry.example/iris:{builds.tag_of(version, 'c' * 40)}@{DIGEST_A}"
        run("bump", "iris", "--env", "dev", "--image", image, "--bundle", "build/bundle")
        commit_all(repo, f"Bump iris to {version} in dev")
        run("promote", "iris", "--to", "staging")
        commit_all(repo, f"Promote iris {version} to staging")
    run("check")
    assert released(repo, "staging") == {"model": VERSIONS[1], "chart": CHART}
    status = json.loads(run("status", "--no-live", "--output", "json"))
    assert [one["version"] for one in status["releases"][:2]] == [VERSIONS[1]] * 2
    arguments = ("iris", "--env", "staging", "--no-registry", "--reason", "slow")
    run("rollback", *arguments, "--to", VERSIONS[0])
    assert released(repo, "staging") == {"model": VERSIONS[0], "chart": CHART}


@pytest.mark.parametrize("version", ["latest", "v1.0.0", "1.0", "1.0.0+", "1.0.0+a b", "-1.0.0"])
def test_what_is_no_version_of_a_chart_is_refused(repo: Path, version: str) -> None:
    make_bundle(repo / "build/bundle", "1.0.0")
    image = f"registry.example/iris:1.0.0@{DIGEST_A}"
    with pytest.raises(ModelctlError, match=r"(?s)chart version.*MAJOR\.MINOR\.PATCH"):
        run(
            *("bump", "iris", "--env", "dev", "--image", image, "--bundle", "build/bundle"),
            *("--chart-version", version),
        )
