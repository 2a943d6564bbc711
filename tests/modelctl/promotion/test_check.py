"""`modelctl check`: each wrong file is refused with its line and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import check
from modelctl.repository.environments import Repository
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, run


def problems(repo: Path) -> list[str]:
    return check.file_violations(Repository.find(repo))


def test_check_finds_nothing_in_a_good_repository(released: Path) -> None:
    assert problems(released) == []


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        pytest.param(
            "dev/iris/settings.yaml",
            "config:\n  logLevel: info\nreplicaCount: 2\n",
            "environments/dev/iris/settings.yaml:3: replicaCount: belongs in capacity.yaml, "
            "not in settings.yaml",
            id="capacity-in-settings",
        ),
        pytest.param(
            "dev/common.yaml",
            "model:\n  version: 1.0.0\n",
            "environments/dev/common.yaml:2: model.version: belongs in version.yaml, "
            "not in common.yaml",
            id="version-in-common",
        ),
        pytest.param(
            "dev/iris/settings.yaml",
            "confg: 1\n",
            "environments/dev/iris/settings.yaml:1: confg: not a value of the chart; "
            "see charts/ml-model/values.yaml",
            id="typo",
        ),
        pytest.param(
            "dev/iris/version.yaml",
            VERSION.replace("  tag: 1.0.0\n", ""),
            "environments/dev/iris/version.yaml:1: image.tag: Field required",
            id="missing-tag",
        ),
        pytest.param(
            "staging/penguins/settings.yaml",
            "{}\n",
            "environments/staging/penguins: 'penguins' is not set up in the previous environment "
            "'dev'; create environments/dev/penguins",
            id="model-of-nowhere",
        ),
        pytest.param(
            "qa/iris/settings.yaml",
            "{}\n",
            "environments/qa: not listed in environments.yaml; "
            "add the environment there, or remove the folder",
            id="stray-environment",
        ),
        pytest.param(
            "dev/iris/values.yaml",
            "{}\n",
            "environments/dev/iris/values.yaml: unknown file; expected one of "
            "settings.yaml, capacity.yaml, version.yaml",
            id="stray-file",
        ),
    ],
)
def test_check_reports(released: Path, file: str, content: str, message: str) -> None:
    path = released / "environments" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert message in "\n".join(problems(released))


def test_check_reports_a_missing_file(released: Path) -> None:
    (released / "environments/dev/iris/capacity.yaml").unlink()
    assert problems(released) == [
        "environments/dev/iris/capacity.yaml: missing; create it, it may be empty"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("auto", "manual", r"environments\.yaml:6: environments\.0\.promotion"),
        pytest.param("name: staging", "name: dev", "duplicate name: dev"),
        pytest.param("pull-request", "auto", "`promotion: auto` is for the first environment only"),
        pytest.param(": auto", ": pull-request", "found none"),
        pytest.param("promotion: auto", "promotion: auto\n    soak: 1h", "Extra inputs"),
        pytest.param("  - name: dev", "  - name: dev\n   x", "invalid YAML"),
    ],
)
def test_environments_file_is_refused(repo: Path, old: str, new: str, message: str) -> None:
    path = repo / "environments/environments.yaml"
    path.write_text(ENVIRONMENTS.replace(old, new, 1))
    with pytest.raises(ModelctlError, match=message):
        Repository.find(repo)


def test_a_version_file_that_would_stop_the_generator_is_named_with_its_line(
    released: Path,
) -> None:
    """Argo CD's generator reads all of them: one that is no YAML stops it for every model."""
    path = released / "environments/dev/iris/version.yaml"
    path.write_text("image: [unclosed\nmodel: {}\n")
    for words in ((), ("--base", "HEAD")):
        with pytest.raises(RefusedError, match=r"dev/iris/version\.yaml:\d: invalid YAML"):
            run("check", *words)
