"""Kubernetes' own schemas, closed as under strict validation, asked by one kubeconform per session.

A kubeconform that starts anew compiles each schema anew, for most of a second; this one is fed
document after document.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from tests import rendering

SCHEMAS = "v1.36.0-local-strict"


class Schemas:
    """Says what in some objects does not fit the schemas of Kubernetes and of its extensions."""

    def __init__(self, kubeconform: subprocess.Popen[str]) -> None:
        self._process = kubeconform
        self._asked = 0

    def faults(self, manifests: list[rendering.Manifest]) -> list[str]:
        """A line for each object that does not fit; none if all of them do."""
        assert manifests, "nothing to look at"
        self._asked += 1
        end = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"end-{self._asked}"}}
        assert self._process.stdin
        assert self._process.stdout
        # A document is read when the next one begins.
        documents = yaml.safe_dump_all([*manifests, end], explicit_start=True)
        self._process.stdin.write(f"{documents}---\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line == f"stdin - ConfigMap end-{self._asked} is valid\n":
                break
            lines.append(line.strip())
        else:
            raise AssertionError(f"kubeconform ended: {lines}")
        faults = [line for line in lines if not line.endswith(" is valid")]
        assert faults or len(lines) == len(manifests), lines
        return faults


@contextmanager
def asked(folder: Path) -> Iterator[Schemas]:
    """Write the schemas to a folder and start kubeconform over them."""
    write(folder)
    argv = (
        rendering.tool("kubeconform"),
        # One at a time: answers come in the order of the questions.
        *("-strict", "-verbose", "-n", "1"),
        *("-schema-location", f"{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"),
        "-",
    )
    # The end of the block closes its input, which ends it, and waits.
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as kubeconform:
        yield Schemas(kubeconform)


def write(folder: Path) -> None:
    """Write strict JSON schemas of Kubernetes that kubeconform can follow.

    Those of the package refer to each other by a path of the package's own loader, and their
    identity is an address that would be fetched.
    """
    packaged = resources.files("kubernetes_validate") / "kubernetes-json-schema" / SCHEMAS
    for schema in packaged.iterdir():
        text = schema.read_text(encoding="utf-8").replace('"/api/_definitions', '"_definitions')
        content = json.loads(text)
        content.pop("$id", None)
        (folder / schema.name).write_text(json.dumps(content), encoding="utf-8")
    for name, extension in extensions():
        (folder / name).write_text(json.dumps(extension), encoding="utf-8")


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
