"""The SLSA provenance predicate of an image, signed by `make attest`.

The builder states what went into the image; the signature proves which builder stated it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.packaging.sources import sha256_of
from modelctl.repository import gitrepo
from modelctl.supply import trainer
from modelctl.supply.builds import requirements_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.model.bundle import Bundle

BUILD_TYPE = "https://github.com/ml-model/build/v1"
LOCAL_BUILDER = "urn:ml-model:local"


def of_model(root: Path, bundle: Bundle, environ: Mapping[str, str]) -> dict[str, Any]:
    """The predicate of a model's image; see `_predicate`."""
    manifest = bundle.manifest
    parameters = {
        "model": manifest["name"],
        "version": manifest["version"],
        "target": "model",
        "requirements": requirements_of(manifest),
    }
    materials = {
        "bundle": bundle.digest.removeprefix("sha256:"),
        "training data": manifest["training"]["data_sha256"],
    }
    return _predicate(root, parameters, materials, environ)


def of_trainer(root: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """The predicate of the trainer's image; see `_predicate`."""
    parameters = {"target": trainer.TARGET, "requirements": trainer.REQUIREMENTS}
    materials = {trainer.ORIGINS.as_posix(): sha256_of(root / trainer.ORIGINS)}
    return _predicate(root, parameters, materials, environ)


def _predicate(
    root: Path,
    parameters: Mapping[str, str],
    materials: Mapping[str, str],
    environ: Mapping[str, str],
) -> dict[str, Any]:
    """The SLSA v1 predicate of a build from `root`; `environ` identifies the workflow run.

    `materials`: the SHA-256 of what is in no commit.
    """
    commit = gitrepo.git(root, "rev-parse", "HEAD").strip()
    requirements = f"requirements/{parameters['requirements']}.txt"
    server = environ.get("GITHUB_SERVER_URL", "")
    repository = f"{server}/{environ['GITHUB_REPOSITORY']}" if server else ""
    builder, run = LOCAL_BUILDER, ""
    if repository:
        builder = f"{server}/{environ['GITHUB_WORKFLOW_REF']}"
        run = f"{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
        run += f"/attempts/{environ['GITHUB_RUN_ATTEMPT']}"
    files = ["Dockerfile", "requirements/uv.txt", requirements]
    source: dict[str, Any] = {"digest": {"gitCommit": commit}}
    if repository:
        source = {"uri": f"git+{repository}@{commit}", **source}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": dict(parameters),
            "resolvedDependencies": [
                {"name": "source", **source},
                {"name": "base image", "uri": _base_image(root)},
                *({"name": name, "digest": {"sha256": sha256_of(root / name)}} for name in files),
                *({"name": name, "digest": {"sha256": one}} for name, one in materials.items()),
            ],
        },
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {"invocationId": run} if run else {},
        },
    }


def _base_image(root: Path) -> str:
    """The base image pinned in the Dockerfile; the sandbox overrides it by a build argument."""
    prefix = "ARG PYTHON_IMAGE="
    lines = (root / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix(prefix) for line in lines if line.startswith(prefix))
