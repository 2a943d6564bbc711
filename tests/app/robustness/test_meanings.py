"""A manifest whose digest fits and whose meaning does not: refused in one line, or served right.

Every value of real manifests is replaced, removed or doubled. Nothing else may come of it than a
refusal with what to do, or a service that answers.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.errors import RefusedError
from app.model.bundle import canonical
from tests import trained
from tests.app.conftest import make_client
from tests.documents import Keys, nodes

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**18, 10**30, 0.5, -1e308, "", " ", "a/b", "a\nb", "..", "é",
    "\x00", "a" * 70_000, [], [[]], [None], [1, 1], ["a", "a"], {}, {"": 1}, {"name": 1}, [{}],
)  # fmt: skip
CASES = 150


def changed(manifest: dict[str, Any], place: Keys, chance: random.Random) -> dict[str, Any]:
    """The manifest with another value in this place, with none, or with two of it."""
    result = copy.deepcopy(manifest)
    parent: Any = result
    for key in place[:-1]:
        parent = parent[key]
    how = chance.choice(["replace", "replace", "replace", "remove", "double"])
    if how == "remove":
        del parent[place[-1]]
    elif how == "double" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[int(place[-1])]))
    else:
        parent[place[-1]] = copy.deepcopy(chance.choice(ODD))
    return result


def serves_or_refuses(folder: Path, manifest: dict[str, Any]) -> str:
    """What the service says of a manifest: `served`, or its refusal."""
    try:
        (folder / "manifest.json").write_bytes(canonical(manifest))
    except TypeError:
        # More than JSON of 64 bits can say: no canonical manifest holds it.
        (folder / "manifest.json").write_text(json.dumps(manifest, separators=(",", ":")))
    try:
        client = make_client(folder)
    except RefusedError as error:
        refusal = error
    else:
        return _answers(client, folder)
    assert refusal.expected
    assert refusal.fix
    assert len(str(refusal)) < 1000
    return str(refusal)


def _answers(client: FlaskClient, folder: Path) -> str:
    for path in ("/", "/ready", "/model/info", "/version", "/openapi.json", "/metrics", "/docs"):
        assert client.get(path).status_code == 200, path
    example = json.loads((folder / "sample.json").read_bytes())["rows"][0]
    assert client.post("/predict", json={"instances": [example]}).status_code in (200, 422)
    return "served"


@pytest.mark.parametrize("name", trained.NAMES)
def test_what_means_nothing_is_refused(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.bundle(name), tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    chance = random.Random(name)  # noqa: S311
    listed = [keys for keys, _ in nodes(manifest) if keys]
    answers = []
    for _ in range(CASES):
        place = chance.choice(listed)
        document = changed(manifest, place, chance)
        try:
            answers.append(serves_or_refuses(folder, document))
        except Exception as error:
            raise AssertionError(f"{place}: {error!r}"[:500]) from error
    # Neither everything passes, nor nothing.
    assert 5 < answers.count("served") < CASES - 20


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "a/b"}, "$.name"),
        ({"name": "iris\n"}, "$.name"),
        ({"version": "1/2"}, "$.version"),
        ({"version": "1.0\n"}, "$.version"),
        ({"inputs": []}, "$.inputs"),
        ({"inputs": None}, "$.inputs"),
        ({"created": 5}, "$.created"),
        ({"created": "yesterday"}, "$.created"),
    ],
)
def test_refusal_names_the_place(change: dict[str, Any], expected: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.bundle("iris"), tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert expected in serves_or_refuses(folder, manifest | change)


def test_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.bundle("iris"), tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["inputs"].append(manifest["inputs"][0])
    assert "distinct inputs" in serves_or_refuses(folder, manifest)
