"""A model's name is a label, a release, and part of an Application's name that is its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import names
from tests.modelctl.conftest import ENVIRONMENTS, run
from tests.paths import ROOT

PRODUCTION = "  - name: production\n"


def set_up(root: Path, environment: str, model: str) -> None:
    shutil.copytree(root / "environments/dev/iris", root / "environments" / environment / model)


def rename(root: Path, old: str, new: str) -> None:
    """Rename an environment."""
    (root / "environments" / old).rename(root / "environments" / new)
    text = ENVIRONMENTS.replace(f"- name: {old}\n", f"- name: {new}\n")
    (root / "environments/environments.yaml").write_text(text)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("Iris_Big", "invalid model name 'Iris_Big'"),
        ("1st", "invalid model name '1st'"),
        ("a.b", "invalid model name 'a.b'"),
        ("a-", "invalid model name 'a-'"),
        ("a" * 54, "invalid model name"),
        ("baseline", "the model name 'baseline' is that of an Application of each environment"),
        ("namespace", "the model name 'namespace' is that of an Application of each environment"),
    ],
)
def test_a_folder_whose_name_is_no_models_name_is_refused(
    repo: Path, model: str, problem: str
) -> None:
    set_up(repo, "dev", model)
    for words in ((), ("--base", "HEAD")):
        with pytest.raises(RefusedError) as refused:
            run("check", *words)
        assert f"environments/dev/{model}: {problem}" in str(refused.value)
    with pytest.raises(ModelctlError, match=r"invalid model name|cannot be used"):
        run("new", model)


def test_two_models_with_one_application_are_refused(repo: Path) -> None:
    rename(repo, "staging", "dev-a")
    set_up(repo, "dev", "b")
    set_up(repo, "dev", "a-b")
    set_up(repo, "dev-a", "b")
    with pytest.raises(RefusedError) as refused:
        run("check")
    assert str(refused.value).splitlines() == [
        "1 problem",
        "environments/dev-a/b: its Application dev-a-b is that of dev/a-b too; rename the model",
    ]


def test_a_model_with_the_application_of_another_environments_baseline_is_refused(
    repo: Path,
) -> None:
    rename(repo, "staging", "dev-a")
    set_up(repo, "dev", "a-baseline")
    with pytest.raises(RefusedError, match="dev-a-baseline is that of the baseline of dev-a too"):
        run("check")
    shutil.rmtree(repo / "environments/dev/a-baseline")
    with pytest.raises(ModelctlError, match="dev-a-baseline is that of the baseline of dev-a too"):
        run("new", "a-baseline")


def test_a_new_model_may_not_take_the_application_of_another(repo: Path) -> None:
    rename(repo, "staging", "dev-a")
    set_up(repo, "dev", "a-b")
    with pytest.raises(ModelctlError, match="dev-a-b is that of dev/a-b too"):
        run("new", "b")


def test_a_name_too_long_for_a_label_of_its_application_is_refused(repo: Path) -> None:
    longest = "a" * (63 - len("production-"))
    run("new", longest)
    with pytest.raises(ModelctlError, match="has 64 characters, at most 63 are allowed"):
        run("new", f"{longest}a")


@pytest.mark.parametrize(
    ("releases", "problem"),
    [
        ({("dev", "iris"): (), ("dev", "iris-batch-nightly"): ()}, "a batch of 'iris' has"),
        ({("dev", "iris-batch-a-test"): (), ("dev", "iris"): ()}, "a batch of 'iris' has"),
        ({("dev", "iris"): ("batch-x",)}, "a batch of 'iris' has objects named iris-batch-x too"),
        ({("dev", "a-batch-b"): (), ("dev", "a-batch-b-batch-c"): ()}, "a batch of 'a-batch-b'"),
        ({("dev", "iris"): (), ("staging", "iris-batch-nightly"): ()}, ""),
        ({("dev", "iris"): (), ("dev", "iris-batch"): ()}, "named iris-batch-canary too"),
        ({("dev", "iris"): (), ("dev", "iris-batches"): (), ("dev", "batch-iris"): ()}, ""),
        ({("dev", "iris-training-a"): (), ("dev", "iris"): ()}, "a training of 'iris' has"),
        ({("dev", "iris"): ("training-x",)}, "a training of 'iris' has objects named"),
        ({("dev", "iris"): (), ("dev", "training-iris"): (), ("dev", "iris-train"): ()}, ""),
    ],
)
def test_a_name_that_a_job_of_another_release_may_have_is_refused(
    releases: dict[names.Release, tuple[str, ...]], problem: str
) -> None:
    """Whatever batches and trainings there are now: the next one may have any name."""
    found = [text for _, _, text in names.object_violations(releases)]
    assert all(problem in text for text in found)
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    "releases",
    [
        {("dev", "iris"): (), ("dev", "iris-consumer"): ()},
        {("dev", "iris-consumer"): (), ("dev", "iris"): ()},
        {("dev", "iris"): ("consumer",)},
    ],
)
def test_a_name_that_a_consumer_of_another_release_may_have_is_refused(
    releases: dict[names.Release, tuple[str, ...]],
) -> None:
    """Whether it has one now or not."""
    (found,) = [text for _, _, text in names.object_violations(releases)]
    assert "has objects named iris-consumer too" in found


def test_the_names_of_a_release_are_those_that_the_chart_renders() -> None:
    """But for the user's own: sidecars, secrets, and names that end in a hash of their content."""
    own = {"iris-api", "iris-shipper", "bundle-signers"}
    arms = ("", "forest", "next")
    expected = {name for arm in arms for name in names.claimed("iris", arm)} | own
    for golden in sorted((ROOT / "charts/ml-model/golden").glob("*.yaml")):
        objects = filter(None, yaml.safe_load_all(golden.read_text()))
        rendered = {each["metadata"]["name"] for each in objects}
        hashed = {name for name in rendered if re.fullmatch("iris-[0-9a-f]{8}", name)}
        owners = {name: [release for _, release in names.job_owners(name)] for name in rendered}
        jobs = {name for name in rendered if "iris" in owners[name]}
        assert rendered - hashed - jobs <= expected, golden.name


def test_no_suffix_of_the_chart_is_missing() -> None:
    """Every name that a template makes of the release's and a suffix of its own."""
    templates = (ROOT / "charts/ml-model/templates").rglob("*.*")
    texts = [path.read_text() for path in templates]
    used = {
        suffix
        for text in texts
        for call in re.findall(r'include "ml-model.metadata" \(dict [^}]*}}', text)
        for suffix in re.findall(r'"suffix" "-([a-z]+)"', call)
    }
    assert {"headless", "jwt", "waypoint"} <= used <= names.SUFFIXES
