"""The bill of materials and the provenance: valid, the same again, and true."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.model.bundle import Bundle, verify
from modelctl.errors import ModelctlError, RefusedError
from modelctl.supply import inventory, provenance, sbom, trainer
from modelctl.supply.requirements import Requirement, read
from tests import trained
from tests.paths import ROOT

DIGEST = "sha256:" + "1" * 64
IMAGE = f"registry.example.com/iris@{DIGEST}"
SYSTEM = {"ID": "debian", "VERSION_ID": "13"}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return verify(trained.bundle("iris"))


@pytest.fixture
def requirements() -> dict[str, Requirement]:
    return read(ROOT / "requirements/serve.txt")


def installed(requirements: dict[str, Requirement]) -> dict[str, Any]:
    """The inventory of an image that holds what is locked."""
    return {
        "python": "3.13.5",
        "machine": "x86_64",
        "system": SYSTEM,
        "python_packages": [
            {"name": entry.name, "version": entry.version, "license": "MIT"}
            for entry in requirements.values()
        ],
        "debian_packages": [{"name": "libc6", "version": "2.41-12", "architecture": "amd64"}],
    }


def test_every_locked_requirement_is_read_with_its_hashes() -> None:
    found = read(ROOT / "requirements/serve-sklearn.txt")
    assert {"flask", "onnxruntime", "scikit-learn", "python-json-logger"} <= set(found)
    assert all(entry.sha256 for entry in found.values())
    lines = (ROOT / "requirements/serve-sklearn.txt").read_text().splitlines()
    assert len(found) == len([line for line in lines if line[:1].isalnum()])


def test_a_requirement_without_a_hash_is_refused(tmp_path: Path) -> None:
    (tmp_path / "serve.txt").write_text("flask==3.1.3\n")
    with pytest.raises(ModelctlError, match="has requirements without a hash"):
        read(tmp_path / "serve.txt")


def test_the_same_input_gives_the_same_document(
    bundle: Bundle, requirements: dict[str, Requirement]
) -> None:
    first = sbom.document(
        sbom.of_model(bundle), requirements, image=IMAGE, inventory=installed(requirements)
    )
    again = sbom.document(
        sbom.of_model(bundle), requirements, image=IMAGE, inventory=installed(requirements)
    )
    assert first == again


def test_it_names_the_image_the_bundle_and_everything_in_it(
    bundle: Bundle, requirements: dict[str, Requirement]
) -> None:
    found = installed(requirements)
    document = json.loads(
        sbom.document(sbom.of_model(bundle), requirements, image=IMAGE, inventory=found)
    )
    assert document["specVersion"] == "1.6"
    root = document["metadata"]["component"]
    assert root["purl"].startswith("pkg:oci/iris@sha256:1111")
    parts = {entry["bom-ref"]: entry for entry in document["components"]}
    model = parts[f"bundle:{bundle.digest}"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": bundle.digest[7:]}]
    assert "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13" in parts
    flask = parts[f"pkg:pypi/flask@{requirements['flask'].version}"]
    assert flask["licenses"] == [{"expression": "MIT"}]
    assert len(parts) == len(requirements) + 3
    (dependency,) = [entry for entry in document["dependencies"] if entry["ref"] == "image:iris"]
    assert set(dependency["dependsOn"]) == set(parts)


def test_without_an_inventory_it_says_where_the_list_is_from(
    bundle: Bundle, requirements: dict[str, Requirement]
) -> None:
    document = json.loads(sbom.document(sbom.of_model(bundle), requirements))
    root = document["metadata"]["component"]
    assert root["properties"] == [{"name": "ml-model:source", "value": "requirements"}]
    assert sbom.names(json.dumps(document)).keys() == requirements.keys()


@pytest.mark.parametrize(
    "package",
    [
        {"name": "left-pad", "version": "1.0", "license": ""},
        {"name": "flask", "version": "0.1", "license": ""},
    ],
    ids=["unknown", "another version"],
)
def test_an_image_with_what_nobody_locked_is_refused(
    package: dict[str, str], bundle: Bundle, requirements: dict[str, Requirement]
) -> None:
    found = installed(requirements)
    found["python_packages"].append(package)
    with pytest.raises(RefusedError, match="not locked") as caught:
        sbom.document(sbom.of_model(bundle), requirements, inventory=found)
    assert caught.value.found == f"{package['name']} {package['version']}"


def test_the_inventory_of_a_python_lists_what_is_installed_there() -> None:
    """As an image gets it: on standard input, with nothing but Python."""
    script = Path(inventory.__file__).read_bytes()
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, check=True)
    found = json.loads(done.stdout)
    names = {entry["name"].lower() for entry in found["python_packages"]}
    assert {"flask", "numpy", "pytest"} <= names


def test_the_inventory_of_a_debian_leaves_out_what_was_removed(tmp_path: Path) -> None:
    status = tmp_path / "status"
    entry = (
        "Package: {0}\nStatus: {1}\nVersion: 1.0-1\nArchitecture: amd64\nDescription: x\n y: z\n"
    )
    status.write_text(
        entry.format("libc6", "install ok installed")
        + "\n"
        + entry.format("old", "deinstall ok config-files")
    )
    assert inventory.debian_packages(status) == [
        {"name": "libc6", "version": "1.0-1", "architecture": "amd64"}
    ]
    assert inventory.debian_packages(tmp_path / "absent") == []


@pytest.fixture
def checkout(tmp_path: Path, bundle: Bundle) -> Path:
    """What provenance reads of a checkout, committed."""
    for name in ("Dockerfile", "requirements/uv.txt", "requirements/serve.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    identity = ["-c", "user.name=User", "-c", "user.email=user@example.com"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "Dockerfile", "requirements"], cwd=tmp_path, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "First"], cwd=tmp_path, check=True)
    return tmp_path


def test_provenance_names_source_base_requirements_bundle_and_data(
    checkout: Path, bundle: Bundle
) -> None:
    run = {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "team/models",
        "GITHUB_WORKFLOW_REF": "team/models/.github/workflows/image.yml@refs/heads/main",
        "GITHUB_RUN_ID": "12",
        "GITHUB_RUN_ATTEMPT": "1",
    }
    found = provenance.of_model(checkout, bundle, run)
    parts = {entry["name"]: entry for entry in found["buildDefinition"]["resolvedDependencies"]}
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=checkout, text=True).strip()
    assert parts["source"] == {
        "name": "source",
        "uri": f"git+https://github.com/team/models@{commit}",
        "digest": {"gitCommit": commit},
    }
    assert "@sha256:" in parts["base image"]["uri"]
    assert parts["bundle"]["digest"] == {"sha256": bundle.digest[7:]}
    assert parts.keys() >= {"requirements/serve.txt", "requirements/uv.txt", "training data"}
    assert found["runDetails"] == {
        "builder": {
            "id": "https://github.com/team/models/.github/workflows/image.yml@refs/heads/main"
        },
        "metadata": {"invocationId": "https://github.com/team/models/actions/runs/12/attempts/1"},
    }


def test_a_local_build_does_not_pass_for_a_workflow(checkout: Path, bundle: Bundle) -> None:
    assert provenance.of_model(checkout, bundle, {})["runDetails"]["builder"] == {
        "id": "urn:ml-model:local"
    }


def test_the_trainers_names_the_code_of_every_model_and_no_bundle() -> None:
    locked = read(ROOT / "requirements/train.txt")
    origins: dict[str, dict[str, str | None]] = {
        "iris": {"commit": "a" * 40, "created": None},
        "new": {"commit": None},
    }
    subject = sbom.of_trainer("b" * 40, "2026-11-28T10:00:00+01:00", origins)
    document = json.loads(sbom.document(subject, locked, inventory=installed(locked)))
    root = document["metadata"]["component"]
    assert (root["name"], root["version"]) == (trainer.NAME, "b" * 40)
    codes = [one for one in document["components"] if one["type"] == "application"]
    assert [(one["name"], one.get("version", "")) for one in codes] == [
        ("iris", "a" * 40),
        ("new", ""),
    ]
    assert not [one for one in document["components"] if "model" in one["type"]]
    assert "pyarrow" in sbom.names(json.dumps(document))


def test_the_trainers_provenance_has_the_hash_of_what_no_commit_has(checkout: Path) -> None:
    requirements = checkout / "requirements/train.txt"
    requirements.write_text((ROOT / "requirements/train.txt").read_text())
    trainer.write_origins(checkout, {"iris": {"commit": "a" * 40, "created": None}})
    found = provenance.of_trainer(checkout, {})["buildDefinition"]
    assert found["externalParameters"] == {"target": "trainer", "requirements": "train"}
    parts = {entry["name"]: entry["digest"] for entry in found["resolvedDependencies"][2:]}
    for name in ("Dockerfile", "requirements/train.txt", "build/trainer/origins.json"):
        content = (checkout / name).read_bytes()
        assert parts[name] == {"sha256": hashlib.sha256(content).hexdigest()}, name
