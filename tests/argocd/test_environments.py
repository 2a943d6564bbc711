"""environments.yaml is accepted by `check` only if Helm renders it, into names Kubernetes takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelctl.errors import ModelctlError
from modelctl.repository import names
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import FILE
from tests import rendering

SOURCES = ("--set", "repoURL=https://git.example/fork.git,chartRegistry=registry.example/charts")
SCHEMA = json.loads((rendering.ARGOCD_CHART / "values.schema.json").read_text(encoding="utf-8"))
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
)
FREEZE = "    freezes:\n      '*': {from: %s, until: %s, reason: a}\n"
ENVIRONMENTS = """\
environments:
  - name: dev
    namespace: ml-dev
    cluster: in-cluster
    promotion: auto
  - name: production
    namespace: ml-production
    cluster: in-cluster
    promotion: pull-request
"""


def read(folder: Path, text: str) -> tuple[Any, ...] | None:
    """What modelctl reads in an environments.yaml; None if it refuses."""
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    try:
        return Repository.find(folder).environments
    except ModelctlError:
        return None


def rendered(folder: Path) -> rendering.Result:
    values = rendering.values(folder / FILE)
    return rendering.try_template(
        "helm4", rendering.ARGOCD_CHART, "root", "argocd", *values, *SOURCES
    )


def faults(
    manifests: list[rendering.Manifest], environments: list[dict[str, Any]]
) -> Iterator[str]:
    """What Kubernetes would refuse, or what says something else than the file."""
    seen = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    yield from (f"twice: {name}" for name in set(seen) if seen.count(name) > 1)
    yield from (f"no name: {name}" for _, name in seen if not SUBDOMAIN.fullmatch(str(name)))
    wanted = [(each["name"], each["namespace"], each["cluster"]) for each in environments]
    for manifest in rendering.of_kind(manifests, "AppProject"):
        for target in manifest["spec"]["destinations"]:
            if not LABEL.fullmatch(str(target["namespace"])):
                yield f"no namespace: {target['namespace']}"
            if (target["namespace"], target["name"]) not in [pair[1:] for pair in wanted]:
                yield f"another destination: {target}"
    for manifest in rendering.of_kind(manifests, "ApplicationSet"):
        (generator,) = manifest["spec"]["generators"]
        generators = generator["matrix"]["generators"] if "matrix" in generator else [generator]
        elements = generators[0]["list"]["elements"]
        if [(e["environment"], e["namespace"], e["cluster"]) for e in elements] != wanted:
            yield f"other elements: {elements}"


TRICKY = ("on", "1e3", "0x1", "null", "true", "2026-11-25", "1", "a-b", "a" * 53, "a" * 54, "-a")
NAMES = st.sampled_from((*TRICKY, "dev", "Dev", "a_b", "a.b", "", "~", "ä"))
CLUSTERS = NAMES | st.sampled_from(("in-cluster", "arn:aws:eks:eu:1:cluster/a", "a: b", "{{ x }}"))
TIMES = st.sampled_from(
    (
        *("2026-11-21T09:05:37Z", "2999-01-01T00:00:00Z", "2026-11-21T09:05:37.5Z"),
        *("2026-11-21T09:05:37+01:00", "2026-11-21", "2026-13-01T00:00:00Z"),
        "2026-11-21 09:05:37Z",
    )
)
ENVIRONMENT = st.fixed_dictionaries(
    {
        "name": NAMES | st.from_regex(r"\A[a-z0-9-]{1,6}\Z"),
        "namespace": NAMES | st.from_regex(r"\A[a-z0-9-]{1,66}\Z"),
        "cluster": CLUSTERS,
        "promotion": st.sampled_from(("pull-request", "automatic")),
    },
    optional={
        "soakMinutes": st.sampled_from((0, 60, -1, 1.5, "60", True, 2**53)),
        "approvals": st.lists(st.sampled_from(("@a", "@a/b", "a@b.c", "a", "")), max_size=2),
        "freezes": st.dictionaries(
            st.sampled_from(("*", "iris", "Iris_Big")),
            st.fixed_dictionaries({"from": TIMES, "until": TIMES, "reason": st.just("a")}),
            max_size=2,
        ),
        "windows": st.lists(
            st.fixed_dictionaries(
                {
                    "kind": st.sampled_from(("allow", "deny", "maybe")),
                    "schedule": st.sampled_from(("0 8 * * MON-FRI", "* * * *", "0 0 31 2 *")),
                    "duration": st.sampled_from(("8h", "1h30m", "90s", "")),
                    "reason": st.sampled_from(("a", "yes", "")),
                }
            ),
            max_size=1,
        ),
    },
)


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """An environments.yaml with a few oddities."""
    environments = draw(st.lists(ENVIRONMENT, min_size=1, max_size=3))
    environments[0]["promotion"] = draw(st.sampled_from(("auto", "auto", "auto", "pull-request")))
    for place, environment in enumerate(environments):  # else nearly none would be accepted
        for key, usual in (("name", f"e{place}"), ("namespace", f"n{place}"), ("cluster", "c")):
            if draw(st.integers(0, 3)):
                environment[key] = usual
        for key in ("soakMinutes", "approvals", "freezes", "windows"):
            if draw(st.integers(0, 2)):
                environment.pop(key, None)
    return {"environments": environments}


@settings(max_examples=300, deadline=None, database=None)
@given(content=files())
def test_what_check_accepts_fits_the_schema_of_the_chart(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    if read(tmp_path_factory.getbasetemp(), json.dumps(content)) is not None:
        chart = {"repoURL": "a", "revision": "a", "chartRegistry": "a", "requeueAfterSeconds": 1}
        jsonschema.validate({**content, **chart}, SCHEMA)


@settings(max_examples=40, deadline=None, database=None)
@given(content=files())
def test_what_check_accepts_helm_renders_into_valid_names(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    if read(folder, json.dumps(content)) is not None:
        result = rendered(folder)
        assert result.code == 0, result.stderr
        assert list(faults(rendering.parse(result.stdout), content["environments"])) == []


@pytest.mark.parametrize("name", [name for name in TRICKY if LABEL.fullmatch(name)])
def test_a_name_that_looks_like_another_type_stays_text(tmp_path: Path, name: str) -> None:
    text = ENVIRONMENTS.replace("name: dev", f"name: '{name}'").replace("ml-dev", f"'{name}'")
    if len(name) > 53:
        assert read(tmp_path, text) is None
        return
    assert read(tmp_path, text) is not None
    result = rendered(tmp_path)
    assert result.code == 0, result.stderr
    environments = yaml.safe_load(text)["environments"]
    assert list(faults(rendering.parse(result.stdout), environments)) == []


def freeze(start: str, until: str = "'2999-01-01T00:00:00Z'") -> str:
    return ENVIRONMENTS + FREEZE % (start, until)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'{ENVIRONMENTS}    soakMinutes: "60"\n', id="soak-as-text"),
        pytest.param(f"{ENVIRONMENTS}    soakMinutes: 1.5\n", id="soak-with-fraction"),
        pytest.param(f"{ENVIRONMENTS}    soakMinutes: -1\n", id="negative-soak"),
        pytest.param(f"{ENVIRONMENTS}    soak: 1\n", id="unknown-key"),
        pytest.param(ENVIRONMENTS.replace("in-cluster", "yes"), id="cluster-that-is-a-switch"),
        pytest.param(ENVIRONMENTS.replace("in-cluster", "1"), id="cluster-that-is-a-number"),
        pytest.param(ENVIRONMENTS.replace("in-cluster", "''"), id="no-cluster"),
        pytest.param(ENVIRONMENTS.replace("name: dev", "name: Dev"), id="upper-case"),
        pytest.param(ENVIRONMENTS.replace("ml-dev", "ml_dev"), id="underscore"),
        pytest.param(ENVIRONMENTS.replace("ml-dev", "a" * 64), id="long-namespace"),
        pytest.param(ENVIRONMENTS.replace("name: production", "name: dev"), id="same-name"),
        pytest.param(ENVIRONMENTS.replace("pull-request", "manual"), id="unknown-promotion"),
        pytest.param("environments: []\n", id="none"),
        pytest.param("environments:\n", id="null"),
        pytest.param(f"{ENVIRONMENTS}chartRegistry: oci://a\n", id="registry-with-scheme"),
        pytest.param(f"{ENVIRONMENTS}registry: a\n", id="unknown-key-at-the-top"),
        pytest.param(freeze("'2026-11-21T09:05:37+01:00'"), id="offset"),
        pytest.param(freeze("'2026-11-21T09:05:37.5Z'"), id="fraction"),
        pytest.param(freeze("'2026-11-21'"), id="date"),
        pytest.param(freeze("1"), id="number-as-time"),
    ],
)
def test_what_the_chart_refuses_or_renders_twice_is_refused(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, ENVIRONMENTS) is not None
    assert read(tmp_path, text) is None
    # The reason is Helm's or Kubernetes', not ours.
    result = rendering.try_template(
        *("helm4", rendering.ARGOCD_CHART, "root", "argocd"),
        *rendering.values(tmp_path / FILE),
        *("--set", "repoURL=https://git.example/fork.git"),
        *(() if "chartRegistry" in text else ("--set", "chartRegistry=registry.example/charts")),
    )
    if result.code == 0:
        environments = yaml.safe_load(text)["environments"]
        assert list(faults(rendering.parse(result.stdout), environments))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ENVIRONMENTS.replace("ml-production", "ml-dev"), id="same-namespace"),
        pytest.param(freeze("'2026-02-30T00:00:00Z'"), id="no-such-day"),
        pytest.param(freeze("'2999-01-02T00:00:00Z'"), id="ends-before-it-begins"),
        pytest.param(freeze("2026-11-21T09:05:37Z"), id="time-without-quotes"),
    ],
)
def test_what_the_chart_renders_wrong_is_refused(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) is None


def test_names_of_the_applications_of_an_environment_are_no_names_of_models() -> None:
    manifests = rendering.template(
        *("helm4", rendering.ARGOCD_CHART, "root", "argocd"),
        *rendering.values(rendering.ENVIRONMENTS / "environments.yaml"),
        *SOURCES,
    )
    templates = {
        manifest["spec"]["template"]["metadata"]["name"]
        for manifest in rendering.of_kind(manifests, "ApplicationSet")
    }
    templates.remove("{{.environment}}-{{.release.path.basename}}")
    assert templates == {f"{{{{.environment}}}}-{part}" for part in names.RESERVED}
