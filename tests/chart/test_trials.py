"""Whatever the chart accepts Kubernetes accepts, and what it refuses it says why.

Every key, with values of every kind. What the schema allows is rendered, many keys at a time, and
its objects are shown to a real API server; when something is refused, halves of it are tried down
to the one value, or to those that only together are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests import rendering
from tests.chart import batches, judge, trials
from tests.chart.trials import Group, Trial

SCHEMA = json.loads((rendering.CHART / "values.schema.json").read_text(encoding="utf-8"))
# Of the values of each key one in so many is tried; `make test-all` has the time for each of them.
STEP = 1 if trials.ALL else 12


def as_helm_reads(node: Any) -> Any:
    """The same schema for Python, in which `$` also is before a line break at the end."""
    if isinstance(node, list):
        return [as_helm_reads(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: re.sub(r"\$$", r"\\Z", value)
        if key == "pattern" and isinstance(value, str)
        else as_helm_reads(value)
        for key, value in node.items()
    }


SECTIONS = {
    top: Draft7Validator({**as_helm_reads(SCHEMA), "$ref": f"#/properties/{top}"})
    for top in SCHEMA["properties"]
}


def is_allowed(trial: Trial, values: dict[str, Any]) -> bool:
    """Whether the schema has nothing against it."""
    return SECTIONS[trial.top].is_valid(trial.over(values)[trial.top])


def blamed(chosen: Sequence[Trial], message: str) -> tuple[list[Trial], list[Trial]]:
    """The trials whose keys a refusal names, and those of the sections that it names."""
    words = {word.strip(".,;:'").replace("/", ".").strip(".") for word in message.split()}
    sections = {word.split(".")[0] for word in words if "." in word}
    named = [trial for trial in chosen if trial.path in words]
    return named, [trial for trial in chosen if trial.top in sections]


def rounds(group: Group) -> Iterator[list[Trial]]:
    """The allowed trials, of each key one at a time."""
    allowed = [
        [trial for trial in each[number % STEP :: STEP] if is_allowed(trial, group.values)]
        for number, each in enumerate(group.trials.values())
    ]
    for number in range(max(map(len, allowed))):
        yield [each[number] for each in allowed if number < len(each)]


def faults(court: judge.Judge, group: Group, chosen: Sequence[Trial], folder: Path) -> list[str]:
    """What is wrong with some trials."""
    values = group.values
    for trial in chosen:
        values = trial.over(values)
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    result = rendering.try_template(
        "helm4", rendering.CHART, "iris", judge.NAMESPACE, *rendering.values(file)
    )
    if result.code:
        assert chosen, result.stderr
        vague = batches.vague([result])
        if len(chosen) == 1:
            return [f"{chosen[0]}: {text[-400:]}" for text in vague]
        named, related = blamed(chosen, result.stderr)
        if named and not vague:
            # Refused by its name, as it should be.
            return faults(court, group, [one for one in chosen if one not in named], folder)
        if 0 < len(related) < len(chosen):
            rest = [one for one in chosen if one not in related]
            return _each(court, group, (related, rest), folder)
        return _each(court, group, _halves(chosen), folder)
    is_free = values["security"]["allowPrivilegedExtensions"]
    refused = court.refusals(
        rendering.parse(result.stdout), judge.FREE if is_free else judge.NAMESPACE
    )
    if not refused:
        return []
    if len(chosen) == 1:
        return [f"{chosen[0]}: {refused[0]}"]
    found = _each(court, group, _halves(chosen), folder)
    return found or [f"only together, {', '.join(map(str, chosen))}: {refused[0]}"]


def _each(
    court: judge.Judge, group: Group, parts: Iterable[Sequence[Trial]], folder: Path
) -> list[str]:
    return [fault for part in parts for fault in faults(court, group, part, folder)]


def _halves(chosen: Sequence[Trial]) -> tuple[Sequence[Trial], Sequence[Trial]]:
    middle = len(chosen) // 2
    return chosen[:middle], chosen[middle:]


GROUPS = trials.groups()


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_what_the_chart_accepts_kubernetes_accepts(
    court: judge.Judge, tmp_path: Path, group: Group
) -> None:
    found = [fault for chosen in rounds(group) for fault in faults(court, group, chosen, tmp_path)]
    assert found == [], "\n".join(found)
