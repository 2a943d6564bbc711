"""While one model is frozen, another one in its namespace cannot change its objects."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelctl.errors import RefusedError
from modelctl.promotion import reach
from tests import rendering
from tests.modelctl.conftest import VALUES, VERSION, commit_all
from tests.modelctl.promotion.judged import PRODUCTION, commit, freeze, git, judge, write

CI = sorted(rendering.CHART.glob("ci/*-values.yaml"))
FREE = "# @file settings\n{}: {{}}\n"
KEYS = ("extraObjects", "ingress", "podLabels", "env", "fullnameOverride")
ENVIRONMENTS = ("dev", "staging", "production")


def add(root: Path, model: str, settings: str, names: tuple[str, ...] = ENVIRONMENTS) -> None:
    """Release another model on the target branch, in some environments."""
    git("switch", "--quiet", "main")
    write(root, {"charts/ml-model/values.yaml": VALUES + "".join(map(FREE.format, KEYS))})
    for name in ENVIRONMENTS:
        folder = f"environments/{name}/{model}"
        write(root, {f"{folder}/settings.yaml": settings, f"{folder}/capacity.yaml": "{}\n"})
        if name in names:
            write(root, {f"{folder}/version.yaml": VERSION})
    commit_all(root, "add")
    freeze(root, "production/iris")


OBJECT = 'extraObjects:\n  more:\n    kind: Service\n    metadata:\n      name: "{{ 1 }}"\n'


@pytest.mark.parametrize(
    "settings",
    [
        "fullnameOverride: iris\n",
        OBJECT,
        "ingress:\n  enabled: true\n  host: iris.example.org\n",
        "podLabels:\n  team: iris\n",
    ],
)
def test_free_names_wait_for_the_end_of_the_freeze(target: Path, settings: str) -> None:
    add(target, "fraud", "{}\n")
    commit(target, "change", **{"environments/production/fraud/settings.yaml": settings})
    message = r"of 'fraud' can change objects .*frozen for 'iris'.*`modelctl unfreeze production/"
    with pytest.raises(RefusedError, match=message):
        judge()


def test_names_that_were_there_already_stay(target: Path) -> None:
    add(target, "fraud", OBJECT)
    more = f"{OBJECT}env:\n  A: iris\nconfig:\n  logLevel: debug\n"
    commit(target, "change", **{"environments/production/fraud/settings.yaml": more})
    assert "no problems" in judge()


def test_a_release_brings_its_settings_into_force(target: Path) -> None:
    """They may have been written before the freeze, when nothing ran by them."""
    add(target, "fraud", OBJECT, ("dev", "staging"))
    commit(target, "release", **{"environments/production/fraud/version.yaml": VERSION})
    with pytest.raises(RefusedError, match=r"extraObjects\.more of 'fraud' can change objects"):
        judge()


@pytest.mark.parametrize("model", ["iris-headless", "fraud"])
def test_a_new_release_has_a_name_of_its_own(target: Path, model: str) -> None:
    add(target, model, "{}\n", ("dev", "staging"))
    commit(target, "release", **{f"environments/production/{model}/version.yaml": VERSION})
    if model == "fraud":
        assert "no problems" in judge()
        return
    with pytest.raises(RefusedError, match="the new release 'iris-headless' can have objects"):
        judge()


@pytest.mark.parametrize("change", ["retire", "promote", "other-environment"])
def test_other_models_go_on(target: Path, change: str) -> None:
    add(target, "fraud", OBJECT)
    folder = "environments/production/fraud"
    if change == "retire":
        (target / folder / "version.yaml").unlink()
        commit(target, "retire")
    elif change == "promote":
        git("switch", "--quiet", "main")
        newer = VERSION.replace("1.0.0", "1.1.0")
        for name in ("dev", "staging"):
            write(target, {f"environments/{name}/fraud/version.yaml": newer})
        commit_all(target, "release")
        git("switch", "--quiet", "--force-create", "change")
        commit(target, "promote", **{f"{folder}/version.yaml": newer})
    else:
        commit(target, "change", **{"environments/staging/fraud/settings.yaml": "{}\n"})
    assert "no problems" in judge()


def test_the_frozen_model_itself_is_named(target: Path) -> None:
    add(target, "fraud", "{}\n")
    commit(target, "change", **{PRODUCTION.replace("version", "settings"): "{}\n"})
    with pytest.raises(RefusedError, match=r"iris/settings\.yaml: .*is frozen for 'iris'"):
        judge()


RELEASE = "other"
OBJECT_IN_TEXT = "x\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: iris\n"


def places(node: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Each value that is neither number nor switch; of those that reach others only the first."""
    if isinstance(node, dict) and node:
        for key, value in node.items():
            if (*above, key) == ("fullnameOverride",) or not reach.is_reaching((*above, key)):
                yield from places(value, (*above, key))
    elif not isinstance(node, (bool, int, float)):
        yield above


def objects(values: dict[str, Any]) -> set[tuple[str, str]]:
    """What Helm renders of a release, by kind and name; nothing if it refuses to."""
    argv = (RELEASE, rendering.CHART, "--skip-tests", "--values", "-")
    done = rendering.run(rendering.tool("helm4"), "template", *argv, stdin=json.dumps(values))
    documents = rendering.parse(done.stdout) if done.code == 0 else []
    return {(each["kind"], each["metadata"]["name"]) for each in documents}


def strangers(place: tuple[tuple[str, ...], dict[str, Any]]) -> set[tuple[str, str]]:
    """The objects that are not named after their release, for hostile values and keys there."""
    (*above, last), base = place
    found: set[tuple[str, str]] = set()
    for key, value in ((last, "iris"), (last, OBJECT_IN_TEXT), (OBJECT_IN_TEXT, None)):
        values = copy.deepcopy(base)
        node = values
        for each in above:
            node = node.setdefault(each, {})
        before = node.pop(last, None)
        node[key] = value or before
        found |= objects(values)
    return {each for each in found if not f"{each[1]}-".startswith(f"{RELEASE}-")}


def test_helm_names_every_other_object_after_its_release() -> None:
    """In an example where the value has an effect, else in the smallest one."""
    examples = {path.name: yaml.safe_load(path.read_text()) for path in CI}
    values = yaml.safe_load((rendering.CHART / "values.yaml").read_text())
    chosen = dict.fromkeys(places(values), examples["minimal-values.yaml"])
    for example in examples.values():
        example.pop("extraObjects", None)
        chosen.update(dict.fromkeys(places(example), example))
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(strangers, chosen.items()))
    free = {keys for keys, found in zip(chosen, answers, strict=True) if found}
    assert free == {("fullnameOverride",)}
