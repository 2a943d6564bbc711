"""Fixtures that several suites need to render and validate manifests."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests import rendering

SCHEMAS = "v1.36.0-local-strict"


def pytest_addoption(parser: pytest.Parser) -> None:
    """By which server the tests of HTTP are answered; by default none (tests/app/servers.py)."""
    parser.addoption("--http-server", default="", choices=["", "front", "gthread"])


def pytest_configure(config: pytest.Config) -> None:
    """Tables are as wide as `$COLUMNS`, which xdist sets to 80: output is that of a pipe."""
    os.environ.pop("COLUMNS", None)
    os.environ["HTTP_SERVER"] = config.getoption("--http-server")


def pytest_collection_finish() -> None:
    """Take what was imported and collected out of the garbage collector's sight: it all stays.

    It is millions of objects, a second for each full collection; statsmodels asks for one with each
    correction for several tests. Garbage of the tests themselves is collected as ever.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def version_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version file as `modelctl bump` writes it; a fresh fork has none."""
    path = tmp_path_factory.mktemp("version") / "version.yaml"
    (chart,) = rendering.parse((rendering.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    path.write_text(
        f"""\
image:
  repository: registry.example:5000/model
  tag: "1.0.0"
  digest: sha256:{"a" * 64}
model:
  version: "1.0.0"
  digest: sha256:{"b" * 64}
chart:
  version: {chart["version"]}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="session")
def kubernetes_schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Strict JSON schemas of Kubernetes that kubeconform can follow.

    Those of the package refer to each other by a path of the package's own loader, and their
    identity is an address that would be fetched.
    """
    folder = tmp_path_factory.mktemp("schemas")
    packaged = resources.files("kubernetes_validate") / "kubernetes-json-schema" / SCHEMAS
    for schema in packaged.iterdir():
        text = schema.read_text(encoding="utf-8").replace('"/api/_definitions', '"_definitions')
        content = json.loads(text)
        content.pop("$id", None)
        (folder / schema.name).write_text(json.dumps(content), encoding="utf-8")
    for name, extension in extensions():
        (folder / name).write_text(json.dumps(extension), encoding="utf-8")
    return folder


def extensions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name (as kubeconform looks for it) and strict schema of every custom resource we render."""
    files = sorted((rendering.TOOLS.parent / "share").glob("crds-*/crds/*.yaml"))
    assert files, "the definitions are missing: run `python3 -m tools build chart`"
    for file in files:
        for definition in rendering.parse(file.read_text(encoding="utf-8")):
            spec = definition["spec"]
            for version in spec["versions"]:
                group, kind = spec["group"].split(".")[0], spec["names"]["kind"].lower()
                schema = version["schema"]["openAPIV3Schema"]
                # Every object has these, whether its definition says so or not.
                for key, of_type in (("apiVersion", "string"), ("kind", "string")):
                    schema["properties"].setdefault(key, {"type": of_type})
                schema["properties"].setdefault("metadata", {"type": "object"})
                yield f"{kind}-{group}-{version['name']}.json", closed(schema)


def closed(node: Any) -> Any:
    """The same schema with every object closed that names its properties.

    So does the API server under strict validation.
    """
    if isinstance(node, list):
        return [closed(part) for part in node]
    if not isinstance(node, dict):
        return node
    result = {key: closed(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and "additionalProperties" not in node:
        result["additionalProperties"] = node.get("x-kubernetes-preserve-unknown-fields", False)
    return result
