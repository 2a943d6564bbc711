"""`modelctl check`: each wrong file is refused with its line and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from modelctl.promotion import check
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import ENVIRONMENTS, VERSION, run
from tests.paths import ROOT


def problems(repo: Path) -> list[str]:
    return check.file_violations(Repository.find(repo))


def test_check_finds_nothing_in_a_good_repository(released: Path) -> None:
    assert problems(released) == []


def test_a_batch_belongs_into_the_settings_and_needs_no_digest(released: Path) -> None:
    """By the chart's own markers."""
    values = "charts/ml-model/values.yaml"
    (released / values).write_text((ROOT / values).read_text(encoding="utf-8"), encoding="utf-8")
    content = "batch:\n  nightly:\n    pods: 8\n    image: {repository: example/batch, tag: '1'}\n"
    settings = released / "environments" / "dev" / "iris" / "settings.yaml"
    settings.write_text(content, encoding="utf-8")
    assert problems(released) == []
    settings.with_name("capacity.yaml").write_text(content, encoding="utf-8")
    assert [text.partition(": ")[2] for text in problems(released)] == [
        "batch.nightly.pods: belongs in settings.yaml, not in capacity.yaml",
        "batch.nightly.image.repository: belongs in settings.yaml, not in capacity.yaml",
        "batch.nightly.image.tag: belongs in settings.yaml, not in capacity.yaml",
    ]


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


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        pytest.param(
            "version.yaml",
            f"{VERSION}<<: {{model: {{digest: sha256:{'6' * 64}}}}}\n",
            "version.yaml:10: `<<` is a merge key",
            id="merge-key-after-the-digest",
        ),
        pytest.param(
            "version.yaml",
            VERSION.replace("tag: 1.0.0", "tag: yes"),
            "version.yaml:3: image.tag: `yes`: Helm and Argo CD read true",
            id="switch",
        ),
        pytest.param(
            "version.yaml",
            VERSION.replace("tag: 1.0.0", "tag: 2"),
            'version.yaml:3: image.tag: expected string, found integer 2; write quotes: "2"',
            id="number-for-text",
        ),
        pytest.param(
            "settings.yaml",
            "config:\n  logLevel: 1\n",
            "settings.yaml:2: config.logLevel: expected string, found integer 1",
            id="number-for-a-word",
        ),
        pytest.param(
            "capacity.yaml",
            'replicaCount: "2"\n',
            "capacity.yaml:1: replicaCount: expected integer, found string 2",
            id="text-for-a-number",
        ),
        pytest.param(
            "capacity.yaml",
            "replicaCount: 1.5\n",
            "capacity.yaml:1: replicaCount: expected integer, found number 1.5",
            id="fraction",
        ),
    ],
)
def test_check_reports_what_helm_reads_as_something_else(
    released: Path, file: str, content: str, message: str
) -> None:
    schema = (ROOT / "charts/ml-model/values.schema.json").read_text(encoding="utf-8")
    (released / "charts/ml-model/values.schema.json").write_text(schema)
    assert problems(released) == []
    (released / "environments/dev/iris" / file).write_text(content)
    for words in ((), ("--base", "HEAD")):
        with pytest.raises(RefusedError) as refused:
            run("check", *words)
        assert f"environments/dev/iris/{message}" in str(refused.value)
