"""A target branch with releases in every environment, and branches to judge against it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.modelctl.conftest import DIGEST_A, ENVIRONMENTS, VERSION, commit_all, run

DEV, STAGING, PRODUCTION = (
    f"environments/{name}/iris/version.yaml" for name in ("dev", "staging", "production")
)
RULES = "environments/environments.yaml"
OLD, NEW = VERSION, VERSION.replace("1.0.0", "1.1.0")
EVIL = VERSION.replace("1.0.0", "6.6.6").replace(DIGEST_A, "sha256:" + "6" * 64)
FILES = {
    ".github/workflows/ci.yml": "on: push\n",
    "Makefile": "all:\n",
    "argocd/values.yaml": "requeueAfterSeconds: 180\n",
    "argocd/templates/models.yaml": "kind: ApplicationSet\n",
    "kustomize/environments/base/kustomization.yaml": "resources: []\n",
    "kustomize/environments/overlays/production/kustomization.yaml": "resources: [../../base]\n",
    "modelctl/promotion/rules.py": "SOAK = True\n",
}


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def commit(root: Path, message: str = "change", **files: str) -> None:
    write(root, files)
    commit_all(root, message)


def merge(branch: str) -> None:
    git("switch", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "-m", f"Merge {branch}", branch)


def judge(*options: str) -> str:
    """What the required check says of the branch `change`."""
    return run("check", "--base", "main", "--head", "change", *options)


def freeze(root: Path, scope: str = "production") -> None:
    """Freeze on the target branch, and leave the branch there."""
    git("switch", "--quiet", "main")
    run("freeze", scope, "--until", "2999-12-24", "--reason", "audit")
    commit_all(root, "freeze")
    git("switch", "--quiet", "--force-create", "change")


def soaking(root: Path) -> None:
    """Ask for an hour in staging before production, on the target branch."""
    git("switch", "--quiet", "main")
    text = ENVIRONMENTS.replace("ml-production\n", "ml-production\n    soakMinutes: 60\n")
    commit(root, "soak", **{RULES: text})
    git("switch", "--quiet", "--force-create", "change")
