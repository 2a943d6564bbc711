"""The chart's own cases in charts/ml-model/tests, and what they cannot see: two real Helms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests import rendering


def test_cases_of_the_chart_pass() -> None:
    result = rendering.run(rendering.tool("helm-unittest"), "--strict", rendering.CHART)
    assert result.code == 0, result.stdout + result.stderr
    assert (found := re.search(r"Tests:\s+(\d+) passed, \1 total", result.stdout)), result.stdout
    assert int(found[1]) > 100


def test_every_guard_has_a_case() -> None:
    templates = sorted((rendering.CHART / "templates").glob("requirements*.yaml"))
    guards = "".join(path.read_text(encoding="utf-8") for path in templates)
    files = (rendering.CHART / "tests").glob("requirements*_test.yaml")
    # As YAML, which may have a message in several lines.
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
    cases = "\n".join(text for document in documents for text in texts(document))
    heads = [head.split("%")[0] for head in re.findall(r'"(ERROR: [^"]+)"', guards)]
    assert len(heads) == guards.count("{{- fail ")
    assert [head for head in heads if head not in cases] == []


def texts(node: Any) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from texts(each)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("replicas=3", "replicas"),
        ("image.digest=sha256:abc", "digest"),
        (
            "autoscaling.enabled=true,autoscaling.minReplicas=9",
            "ERROR: autoscaling.minReplicas is above autoscaling.maxReplicas: "
            "expected at most 4, found 9",
        ),
        ("env.PORT=1", "ERROR: the variable PORT is reserved for the chart"),
    ],
)
def test_misconfiguration_renders_nothing_under_either_helm(
    helm: str, minimal: list[str], setting: str, message: str
) -> None:
    result = rendering.try_template(
        helm, rendering.CHART, "iris", "ml-dev", *minimal, "--set", setting
    )
    assert result.code == 1
    assert result.stdout == ""
    assert message in result.stderr


def test_helm_lint_has_nothing_to_say(helm: str, minimal: list[str]) -> None:
    result = rendering.run(
        rendering.tool(helm),
        *("lint", rendering.CHART, "--strict", "--kube-version", rendering.KUBE_VERSION),
        *minimal,
    )
    assert result.code == 0, result.stdout
    assert "WARNING" not in result.stdout


def test_chart_refuses_a_cluster_that_is_too_old(helm: str, minimal: list[str]) -> None:
    result = rendering.run(
        rendering.tool(helm), "template", "a", rendering.CHART, "--kube-version", "1.32.9", *minimal
    )
    assert result.code == 1
    assert "kubeVersion: >=1.33.0-0" in result.stderr


def test_templates_render_the_same_offline_as_on_a_cluster() -> None:
    """What a reviewer renders is what Argo CD applies: nothing asks the cluster or a dice."""
    asking = re.compile(
        r"\b(lookup|randAlpha\w*|randNumeric|uuidv4|genSelfSigned\w*|now)\b|APIVersions"
    )
    found = [
        f"{template.name}: {match[0]}"
        for template in (rendering.CHART / "templates").rglob("*")
        if template.is_file()
        for match in asking.finditer(
            re.sub(
                r"\{\{-? */\*.*?\*/ *-?\}\}", "", template.read_text(encoding="utf-8"), flags=re.S
            )
        )
        if template.suffix != ".txt"
    ]
    assert found == []
