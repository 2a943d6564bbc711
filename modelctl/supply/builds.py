"""The inputs of image builds: the models that a change rebuilds, and the build arguments of each.

For workflows; run by `make changed-models`, `changed-trainer`, `build-inputs`, `trainer-inputs` and
`registry`:

    python -m modelctl.supply.builds changed [--since COMMIT] [--only "MODEL ..."]
    python -m modelctl.supply.builds inputs MODEL
    python -m modelctl.supply.builds changed-trainer [--since COMMIT] [--only "MODEL ..."]
    python -m modelctl.supply.builds trainer
    python -m modelctl.supply.builds registry --name HOST/PATH

Contacts no registry; independent of environments.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelctl.errors import ModelctlError
from modelctl.packaging import fingerprint
from modelctl.packaging.bundles import verify_bundle
from modelctl.repository import gitrepo
from modelctl.supply import trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELS = "models"
BUNDLES = Path("build/bundles")
# The locked requirements of each engine's image.
REQUIREMENTS = {"onnx": "serve", "sklearn": "serve-sklearn"}
# The sklearn engine's, where the manifest records one of these libraries.
BOOSTERS = frozenset({"catboost", "lightgbm", "xgboost"})
BOOSTER_REQUIREMENTS = "serve-boosters"
# In the image of every model, or in every bundle; `models/<model>` is in one image only.
SHARED = (
    *("app", "Dockerfile", ".dockerignore", "requirements/uv.txt"),
    *(f"requirements/{name}.txt" for name in (*REQUIREMENTS.values(), BOOSTER_REQUIREMENTS)),
    *fingerprint.CODE_OF_MODELCTL,
    *fingerprint.LOCKS,
)
SHORT_COMMIT = 12
# The jobs that GitHub starts of one matrix.
MAX_BUILDS = 256
MAX_TAG = 128
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9_.-]")
# A full object name: what a forge sends, other than what somebody types.
_OBJECT_NAME = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SCHEME = re.compile(r"(?:oci|https?)://")
# A registry as Docker recognises it, with a dot, a port or `localhost`, then lower-case parts.
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(
    rf"(?P<host>localhost(?::\d+)?|[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:\.[a-z0-9-]+|:\d+)(?::\d+)?)"
    rf"(?:/{_PART})+"
)


def models(root: Path) -> list[str]:
    """All models with a folder, sorted."""
    return sorted(path.parent.name for path in (root / MODELS).glob("*/model.yaml"))


def planned(root: Path, since: str, only: str) -> list[str]:
    """The models that one run of the image workflow builds: the named ones, else the changed ones.

    Raises ModelctlError for a name that is no model, and for more images than one run may build.
    """
    names = sorted(set(only.split()))
    for name in names:
        _require_model(root, name)
    names = names or changed(root, since)
    if len(names) > MAX_BUILDS:
        raise ModelctlError(
            f"{len(names)} images to build",
            expected=f"at most {MAX_BUILDS} in one run of the workflow",
            fix="build them in parts: `gh workflow run image -f models='...'`; models: "
            + " ".join(names),
        )
    return names


def changed(root: Path, commit: str) -> list[str]:
    """The models whose image changed since that commit; all of them without one, with a note.

    At the tip of the main branch, with the commit of a finished build: a listed model will be
    rebuilt, so the finished build is outdated and must not be released.
    """
    known = models(root)
    if missing := _why_missing(root, commit):
        click.echo(f"{missing}: every model is built", err=True)
        return known
    names = gitrepo.changed_since(root, commit, (*SHARED, MODELS))
    folders = {_folder(name) for name in names}
    # What is below models/ and in no model's folder may be shared; a removed model is not.
    shared = folders - set(known) - _removed(root, commit)
    return [model for model in known if shared or model in folders]


def is_trainer_planned(root: Path, since: str, only: str) -> bool:
    """Whether one run of the image workflow builds the trainer: never if models are named."""
    if only.split():
        return False
    return bool(_why_missing(root, since)) or trainer.has_changed(root, since)


def trainer_inputs(root: Path) -> dict[str, str]:
    """Write what the image of the trainer says of its models; return the arguments of its build."""
    trainer.write_origins(root, trainer.origins(root))
    commit, _ = trainer.head(root)
    return {
        "requirements": trainer.REQUIREMENTS,
        "target": trainer.TARGET,
        "tag": commit[:SHORT_COMMIT],
        "commit": commit,
    }


def _why_missing(root: Path, commit: str) -> str:
    """Why the commit before a push is not here; empty if it is. Raises ModelctlError for a typo."""
    if not commit:
        return "no commit to compare with"
    if _OBJECT_NAME.fullmatch(commit) and set(commit) == {"0"}:
        return "no commit before this push, the first of its branch"
    if gitrepo.resolve(root, commit):
        return ""
    if not _OBJECT_NAME.fullmatch(commit):
        raise ModelctlError(f"unknown commit '{commit}'", fix="check the spelling; `git fetch`")
    if gitrepo.is_shallow(root):
        return f"commit {commit} is not in this shallow clone"
    return f"commit {commit} is not in this clone: a force push removed it"


def _require_model(root: Path, model: str) -> None:
    if model not in models(root):
        raise ModelctlError(
            f"unknown model '{model}'", expected=f"one of {', '.join(models(root))}"
        )


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
    _require_model(root, model)
    bundle = verify_bundle(root / BUNDLES / model)
    version = str(bundle.manifest["version"])
    commit = gitrepo.git(root, "rev-parse", "HEAD").strip()
    return {
        "requirements": requirements_of(bundle.manifest),
        "bundle": str(BUNDLES / model),
        "digest": bundle.digest,
        "version": version,
        # Informational: images are pulled by digest.
        "tag": tag_of(version, commit),
        "commit": commit,
    }


def tag_of(version: str, commit: str) -> str:
    """An image tag of a version and a commit, with `_` for what no tag may contain, such as `+`."""
    suffix = f"-{commit[:SHORT_COMMIT]}"
    tag = _NOT_IN_A_TAG.sub("_", version)[: MAX_TAG - len(suffix)]
    return f"{re.sub('^[.-]', '_', tag)}{suffix}"


def registry(name: str) -> dict[str, str]:
    """The name of a repository as its registry takes it, in lower case, and the registry's host.

    Raises ModelctlError for a name that does not begin with a registry.
    """
    repository = _SCHEME.sub("", name.strip(), count=1).rstrip("/").lower()
    match = _REPOSITORY.fullmatch(repository)
    if match is None:
        raise ModelctlError(
            "not a repository in a registry",
            expected="HOST/PATH, such as ghcr.io/owner/models",
            found=f"'{name}'",
            fix="correct the variable IMAGE_REPOSITORY or CHART_REGISTRY of the repository",
        )
    return {"name": repository, "host": match["host"]}


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line of JSON, or one `name=value` line for each input."""
    parser = argparse.ArgumentParser(prog="python -m modelctl.supply.builds")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("changed", "changed-trainer"):
        since = commands.add_parser(name)
        since.add_argument("--since", default="", metavar="COMMIT")
        since.add_argument("--only", default="", metavar="MODELS")
    commands.add_parser("trainer")
    commands.add_parser("inputs").add_argument("model")
    commands.add_parser("registry").add_argument("--name", required=True)
    arguments = parser.parse_args(argv)
    root = Path.cwd()
    try:
        if arguments.command == "changed":
            click.echo(json.dumps(planned(root, arguments.since, arguments.only)))
            return 0
        if arguments.command == "changed-trainer":
            click.echo(json.dumps(is_trainer_planned(root, arguments.since, arguments.only)))
            return 0
        for name, value in _named(root, arguments).items():
            click.echo(f"{name}={value}")
    except ModelctlError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    return 0


def _named(root: Path, arguments: argparse.Namespace) -> dict[str, str]:
    if arguments.command == "inputs":
        return inputs(root, arguments.model)
    return trainer_inputs(root) if arguments.command == "trainer" else registry(arguments.name)


if __name__ == "__main__":
    sys.exit(main())
