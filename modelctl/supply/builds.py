"""The inputs of image builds: the models that a change rebuilds, and the build arguments of each.

For workflows; run by `make changed-models` and `make build-inputs`:

    python -m modelctl.supply.builds changed COMMIT
    python -m modelctl.supply.builds inputs MODEL

Independent of registries and environments.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelctl.errors import ModelctlError
from modelctl.packaging.bundles import verify_bundle
from modelctl.repository import gitrepo

if TYPE_CHECKING:
    from collections.abc import Sequence

# In the image of every model; `models/<model>` is in one image only.
SHARED = ("app", "requirements", "Dockerfile", ".dockerignore")
MODELS = "models"
BUNDLES = Path("build/bundles")
# The locked requirements of each engine's image.
REQUIREMENTS = {"onnx": "serve", "sklearn": "serve-sklearn"}
# The sklearn engine's, where the manifest records one of these libraries.
BOOSTERS = frozenset({"catboost", "lightgbm", "xgboost"})
BOOSTER_REQUIREMENTS = "serve-boosters"
SHORT_COMMIT = 12


def models(root: Path) -> list[str]:
    """All models with a folder, sorted."""
    return sorted(path.parent.name for path in (root / MODELS).glob("*/model.yaml"))


def changed(root: Path, commit: str) -> list[str]:
    """The models whose image changed since that commit.

    At the tip of the main branch, with the commit of a finished build: a listed model will be
    rebuilt, so the finished build is outdated and must not be released.
    """
    names = gitrepo.changed_since(root, commit, (*SHARED, MODELS))
    known = models(root)
    folders = {_folder(name) for name in names}
    # What is below models/ and in no model's folder may be shared; a removed model is not.
    shared = folders - set(known) - _removed(root, commit)
    return [model for model in known if shared or model in folders]


def _folder(name: str) -> str:
    """The folder below models/ that a file is in; empty for other files."""
    parts = Path(name).parts
    return parts[1] if parts[0] == MODELS and len(parts) > 2 else ""


def _removed(root: Path, commit: str) -> set[str]:
    """The models of that commit."""
    names = gitrepo.git(root, "ls-tree", "-r", "--name-only", commit, "--", MODELS).splitlines()
    return {_folder(name) for name in names if name.endswith("/model.yaml")}


def requirements_of(manifest: dict[str, Any]) -> str:
    """The name of the locked requirements of a bundle's image."""
    libraries = manifest.get("environment", {}).get("libraries", {})
    if manifest["engine"] == "sklearn" and BOOSTERS.intersection(libraries):
        return BOOSTER_REQUIREMENTS
    return REQUIREMENTS[manifest["engine"]]


def inputs(root: Path, model: str) -> dict[str, str]:
    """Verify one model's bundle and return the arguments of its image build."""
    if model not in models(root):
        raise ModelctlError(
            f"unknown model '{model}'", expected=f"one of {', '.join(models(root))}"
        )
    bundle = verify_bundle(root / BUNDLES / model)
    version = str(bundle.manifest["version"])
    commit = gitrepo.git(root, "rev-parse", "HEAD").strip()
    return {
        "requirements": requirements_of(bundle.manifest),
        "bundle": str(BUNDLES / model),
        "digest": bundle.digest,
        "version": version,
        # Informational: images are pulled by digest.
        "tag": f"{version}-{commit[:SHORT_COMMIT]}",
        "commit": commit,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line of JSON, or one `name=value` line for each input."""
    parser = argparse.ArgumentParser(prog="python -m modelctl.supply.builds")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("changed").add_argument("commit")
    commands.add_parser("inputs").add_argument("model")
    arguments = parser.parse_args(argv)
    root = Path.cwd()
    try:
        if arguments.command == "changed":
            click.echo(json.dumps(changed(root, arguments.commit)))
        else:
            for name, value in inputs(root, arguments.model).items():
                click.echo(f"{name}={value}")
    except ModelctlError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
