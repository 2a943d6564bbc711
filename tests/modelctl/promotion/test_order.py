"""Promotion through a graph: two regions after staging, and one environment after both."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from modelctl.errors import RefusedError
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, commit_all, run

REGIONS = (
    ENVIRONMENTS.replace("name: production", "name: production-eu").replace(
        "ml-production", "ml-production-eu"
    )
    + """\
  - name: production-us
    namespace: ml-production-us
    cluster: in-cluster
    promotion: pull-request
    after: [staging]
  - name: archive
    namespace: ml-archive
    cluster: in-cluster
    promotion: pull-request
    after: [production-eu, production-us]
"""
)
NEWER = VERSION.replace("1.0.0", "1.1.0")


@pytest.fixture
def regions(released: Path) -> Path:
    """The checkout with the graph dev, staging, two regions, and an archive after both."""
    folder = released / "environments"
    (folder / "environments.yaml").write_text(REGIONS)
    (folder / "production").rename(folder / "production-eu")
    for name in ("production-us", "archive"):
        shutil.copytree(folder / "production-eu", folder / name)
    put(released, "staging", VERSION)
    return released


def put(root: Path, environment: str, version: str) -> None:
    (root / f"environments/{environment}/iris/version.yaml").write_text(version)
    commit_all(root, f"release in {environment}")


def release(root: Path, environment: str) -> None:
    run("promote", "iris", "--to", environment)
    commit_all(root, f"promote to {environment}")


def test_both_regions_take_the_version_of_staging(regions: Path) -> None:
    for region in ("production-us", "production-eu"):
        release(regions, region)
        assert (regions / f"environments/{region}/iris/version.yaml").read_text() == VERSION
    run("check")


def test_an_environment_after_two_waits_for_both(regions: Path) -> None:
    release(regions, "production-eu")
    with pytest.raises(RefusedError, match="'iris' is not released in 'production-us'"):
        run("promote", "iris", "--to", "archive")
    put(regions, "production-us", NEWER)
    with pytest.raises(RefusedError, match=r"differs between the previous.*1\.0\.0.*1\.1\.0"):
        run("promote", "iris", "--to", "archive")
    put(regions, "production-us", VERSION)
    output = run("promote", "iris", "--to", "archive")
    assert "1.0.0 in production-eu: for" in output
    assert "1.0.0 in production-us: for" in output


def test_the_soak_time_counts_in_each_previous_environment(regions: Path) -> None:
    for region in ("production-eu", "production-us"):
        release(regions, region)
    path = regions / "environments/environments.yaml"
    path.write_text(REGIONS + "    soakMinutes: 60\n")
    commit_all(regions, "soak")
    with pytest.raises(RefusedError) as refused:
        run("promote", "iris", "--to", "archive")
    for region in ("production-eu", "production-us"):
        assert f"soak time of 60 min in '{region}'" in str(refused.value)


def test_a_model_is_retired_from_a_region_whatever_runs_in_the_other(regions: Path) -> None:
    for region in ("production-eu", "production-us"):
        release(regions, region)
    with pytest.raises(RefusedError, match="still released in production-eu, production-us"):
        run("retire", "iris", "--env", "staging")
    assert "removed" in run("retire", "iris", "--env", "production-eu", "--no-live")


def test_a_hand_edit_may_not_bring_what_one_previous_environment_lacks(regions: Path) -> None:
    put(regions, "production-eu", VERSION)
    put(regions, "production-us", NEWER)
    put(regions, "archive", VERSION)
    with pytest.raises(RefusedError, match=r"archive/iris/version\.yaml: 1\.0\.0 is neither"):
        run("check", "--base", "HEAD^")
    put(regions, "production-us", VERSION)
    put(regions, "archive", NEWER)
    put(regions, "archive", VERSION)
    run("check", "--base", "HEAD^")


def test_status_names_each_previous_environment_that_differs(regions: Path) -> None:
    put(regions, "production-eu", VERSION)
    put(regions, "production-us", NEWER)
    put(regions, "archive", VERSION)
    (line,) = [line for line in run("status", "--no-live").splitlines() if "archive" in line]
    assert "production-us has 1.1.0" in line
    assert "production-eu has" not in line


def test_a_model_has_to_be_set_up_in_every_previous_environment(regions: Path) -> None:
    shutil.rmtree(regions / "environments/production-us/iris")
    with pytest.raises(RefusedError, match="not set up in the previous environment 'production-us"):
        run("check")
