"""What the Dockerfile keeps to; tests/e2e/test_images.py builds it and looks at what came out."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests import trained
from tests.paths import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
STAGES = re.findall(r"^FROM (\S+) AS (\w+)$", TEXT, re.MULTILINE)
LABELS = {"title", "description", "licenses", "base.name", "source", "revision"}


def stage(name: str) -> str:
    """The text of a stage."""
    return TEXT.split(f" AS {name}\n")[1].partition("\nFROM ")[0]


def pruned() -> list[str]:
    """What is taken out of the libraries, as the names of modules."""
    removal = stage("builder").partition("find /opt/venv -type d")[2].partition("-prune")[0]
    folders = re.findall(r"-name (\w+)|-path '\*/([\w/]+)'", removal)
    return [name or path.replace("/", ".") for name, path in folders]


def test_the_base_is_pinned_by_digest_and_everything_is_built_on_it() -> None:
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.*)$", TEXT, re.MULTILINE)
    assert re.fullmatch(r"docker\.io/library/python:3\.13-slim-\w+@sha256:[0-9a-f]{64}", base)
    names = {name for _, name in STAGES}
    assert {parent for parent, _ in STAGES} <= names | {"${PYTHON_IMAGE}"}
    assert {"fetch", "runtime", "model", "trainer"} <= names


def test_every_variant_shares_the_installer() -> None:
    """An ARG in a stage makes every layer below it another one for another value."""
    assert "ARG" not in stage("installer")
    assert stage("builder").index("ARG REQUIREMENTS") < stage("builder").index("COPY requirements/")


@pytest.mark.parametrize("name", ["fetch", "runtime", "model", "trainer"])
def test_what_a_commit_changes_comes_last(name: str) -> None:
    text = stage(name)
    last_file = max(text.rfind("\nCOPY"), text.rfind("\nRUN"), 0)
    assert text.index("LABEL") > last_file
    assert all(
        match.start() > last_file for match in re.finditer("ARG (SOURCE|REVISION|T|V)", text)
    )


@pytest.mark.parametrize("name", ["fetch", "runtime", "trainer"])
def test_an_image_says_what_it_is(name: str) -> None:
    assert set(re.findall(r"org\.opencontainers\.image\.([\w.]+)=", stage(name))) == LABELS


def test_nobody_is_root_and_nothing_is_installed_in_what_ships() -> None:
    assert "USER 10001:10001" in stage("base")
    for name in ("base", "fetch", "runtime", "model", "trainer"):
        assert not re.search(r"USER (?!10001)|pip|apt-get|ADD ", stage(name)), name


def test_every_requirements_file_that_it_names_is_locked() -> None:
    for name in {"serve", "serve-sklearn", *re.findall(r"REQUIREMENTS=([\w-]+)", TEXT)}:
        assert (ROOT / f"requirements/{name}.txt").is_file(), name


def test_the_build_sees_nothing_but_what_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    allowed = {line[1:].strip("/") for line in lines if line.startswith("!")}
    sources = {
        name
        for match in re.finditer(r"^COPY (?!--from)(\S+) ", TEXT, re.MULTILINE)
        for name in [match[1].partition("/")[0]]
        if not name.startswith("$")
    }
    assert allowed == {*sources, "build", "build/bundles", "build/trainer"}


# The service's own start, with every module that the image lacks refused.
START = """
import importlib.abc, json, sys
from pathlib import Path
pruned = json.loads(sys.argv[1])

class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        last = name.rpartition(".")[2]
        # A module of that name stays: only folders are taken out.
        folder = any((Path(place) / last).is_dir() for place in path or ())
        if name in pruned or (folder and last in pruned):
            raise ModuleNotFoundError(f"{name} is not in the image")

sys.meta_path.insert(0, Gone())
from app.model import engine
from app.model.bundle import verify
from app.model.contract import Contract
import app.factory, app.front.worker, app.server
bundle = verify(Path(sys.argv[2]))
contract = Contract.from_manifest(bundle.manifest)
engine.self_test(bundle, contract, engine.load(bundle, contract))
print(bundle.manifest["engine"])
"""


def test_the_folders_that_are_left_out_are_known() -> None:
    assert pruned() == [
        *("tests", "onnxruntime.transformers", "onnxruntime.quantization", "onnxruntime.tools")
    ]


@pytest.mark.parametrize("engine", ["onnx", "sklearn"])
def test_each_engine_serves_without_what_is_left_out(engine: str) -> None:
    argv = [sys.executable, "-c", START, json.dumps(pruned())]
    argv.append(str(trained.bundle("penguins", engine)))
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout.strip()) == (0, engine), done.stderr


def test_the_service_would_miss_what_it_does_need() -> None:
    """The test above can fail: without numpy.lib nothing starts."""
    argv = [sys.executable, "-c", START, '["numpy.lib"]', str(trained.bundle("penguins"))]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "numpy.lib is not in the image" in done.stderr
