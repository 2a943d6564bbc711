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
from jsonschema import Draft7Validator

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
    with pytest.raises(RefusedError, match="'iris' has objects named iris-headless too"):
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


def answer(values: dict[str, Any]) -> rendering.Result:
    """What Helm says to a release with these values."""
    argv = (RELEASE, rendering.CHART, "--skip-tests", "--values", "-")
    return rendering.run(rendering.tool("helm4"), "template", *argv, stdin=json.dumps(values))


def strangers(values: dict[str, Any]) -> set[tuple[str, str]]:
    """The objects that Helm does not name after their release; none if it refuses to render."""
    done = answer(values)
    documents = rendering.parse(done.stdout) if done.code == 0 else []
    found = {(each["kind"], each["metadata"]["name"]) for each in documents}
    return {each for each in found if not f"{each[1]}-".startswith(f"{RELEASE}-")}


def hostile(place: tuple[str, ...], base: dict[str, Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Values with a hostile value or key there, each behind what makes it unlike others.

    A key is new to the whole mapping, whichever of its own it replaces.
    """
    *above, last = place
    for key, value in ((last, "iris"), (last, OBJECT_IN_TEXT), (OBJECT_IN_TEXT, None)):
        values = copy.deepcopy(base)
        node = values
        for each in above:
            node = node.setdefault(each, {})
        before = node.pop(last, None)
        node[key] = value or before
        yield (*above, key, value, id(base)), values


def merged(defaults: Any, values: Any) -> Any:
    """Values over the chart's own, as Helm merges them: null takes a default away."""
    if not (isinstance(defaults, dict) and isinstance(values, dict)):
        return values
    gone = {key for key, value in values.items() if value is None}
    more = {key: merged(defaults.get(key), values[key]) for key in {*values} - gone}
    return {key: value for key, value in defaults.items() if key not in gone} | more


def test_helm_names_every_other_object_after_its_release() -> None:
    """In an example where the value has an effect, else in the smallest one.

    Most hostile values are refused by the chart's schema, which is asked without Helm: a render
    takes 60 ms of processor time. Helm is asked about some of these too.
    """
    examples = {path.name: yaml.safe_load(path.read_text()) for path in CI}
    defaults = yaml.safe_load((rendering.CHART / "values.yaml").read_text())
    chosen = dict.fromkeys(places(defaults), examples["minimal-values.yaml"])
    for example in examples.values():
        example.pop("extraObjects", None)
        chosen.update(dict.fromkeys(places(example), example))
    schema = Draft7Validator(json.loads((rendering.CHART / "values.schema.json").read_text()))
    rendered: dict[Any, tuple[tuple[str, ...], dict[str, Any]]] = {}
    refused = []
    for place, base in chosen.items():
        for kind, values in hostile(place, base):
            if schema.is_valid(merged(defaults, values)):
                rendered.setdefault(kind, (place, values))
            else:
                refused.append(values)
    assert len(rendered) > 100
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda one: strangers(one[1]), rendered.values()))
        schema_errors = [done.stderr for done in pool.map(answer, refused[::40])]
    free = {place for (place, _), found in zip(rendered.values(), answers, strict=True) if found}
    assert free == {("fullnameOverride",)}
    assert all("values don't meet the specifications" in text for text in schema_errors)
