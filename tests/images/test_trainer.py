"""The image that trains: its files and locked libraries, as a pod that may write little has them.

The same copies as in the Dockerfile, run without capabilities; tests/e2e/test_images.py builds the
image itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images.installed import installed
from tests.images.test_dockerfile import stage
from tests.paths import ROOT

MODEL = "iris"
# Hard to give for a date of anything else.
WHEN = "2001-02-03T04:05:06+00:00"


@dataclass(frozen=True)
class Trainer:
    """The root of the image, and the commit that it was built from."""

    root: Path
    python: Path
    commit: str

    @property
    def work(self) -> Path:
        """The directory that its programs start in."""
        (where,) = re.findall(r"^WORKDIR (\S+)$", stage("trainer"), re.MULTILINE)
        return below(self.root, where)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What the image's entry point answers, in its working directory."""
        environ = {"PATH": f"{self.python.parent}:/usr/bin:/bin", **self.variables()}
        # Root may write in spite of the modes, unless it is told not to.
        modest = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
        argv = [*modest, str(self.python), "-m", "modelctl", *arguments]
        return subprocess.run(
            argv, env=environ, cwd=self.work, capture_output=True, text=True, check=False
        )

    def variables(self) -> dict[str, str]:
        """What the Dockerfile sets for this image, its paths below our root."""
        text = stage("base") + stage("trainer")
        blocks = re.findall(r"^ENV ((?:.*\\\n)*.*)$", text, re.MULTILINE)
        found = dict(re.findall(r"(\w+)=(\S+)", " ".join(blocks)))
        del found["PATH"], found["LD_LIBRARY_PATH"]
        # The Job mounts a directory of its own at /tmp: the tests' one does for it.
        return {
            name: str(below(self.root, to)) if to.startswith("/") and to != "/tmp" else to
            for name, to in found.items()
        }

    def writable(self) -> list[str]:
        """All that its owner may write to."""
        return [
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.stat().st_mode & 0o222
        ]


def below(root: Path, where: str) -> Path:
    """An absolute path of the image, where the tests have it."""
    return root / where.lstrip("/")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=User", "-c", "user.email=user@example.com")
    environ = {**os.environ, "GIT_COMMITTER_DATE": WHEN, "GIT_AUTHOR_DATE": WHEN}
    argv = ["git", "-C", str(folder), *identity, *arguments]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainer")


@pytest.fixture(scope="module")
def python(folder: Path) -> Path:
    """Python with the locked requirements, pruned as in the image."""
    return installed(folder / "venv", "train")


@pytest.fixture(scope="module")
def trainer(folder: Path, python: Path) -> Trainer:
    """The context of a build, of which every copy of the Dockerfile is made."""
    context, root = folder / "context", folder / "root"
    for name in ("app", "modelctl", "models"):
        shutil.copytree(ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
    (context / ".gitignore").write_text("/build/\n")
    git(context, "init", "--quiet")
    git(context, "add", "--all")
    git(context, "commit", "--quiet", "--message", "start")
    builds = [sys.executable, "-m", "modelctl.supply.builds", "trainer"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(builds, cwd=context, env=environ, check=True, capture_output=True)
    for source, to in re.findall(r"^COPY (?!--from)(\S+) (\S+)$", stage("trainer"), re.MULTILINE):
        target = below(root, to)
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (context / source).is_dir() else shutil.copy
        copy(context / source, target)
    trainer = Trainer(root, python, git(context, "rev-parse", "HEAD"))
    (trainer.work / "build").mkdir()
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (trainer.work / "build").chmod(0o755)
    return trainer


def test_it_trains_a_model_where_it_may_write_in_build_and_tmp_alone(trainer: Trainer) -> None:
    assert trainer.writable() == [str((trainer.work / "build").relative_to(trainer.root))]
    done = trainer.run("train", MODEL, "--out", "build/trained", "--request", "one")
    assert done.returncode == 0, done.stderr
    (result,) = (trainer.work / f"build/trained/{MODEL}/results").iterdir()
    digest = json.loads(result.read_text())["digest"]
    assert digest in done.stdout
    # The commit that the pipeline would write, with its time: there is no git in the image.
    bundle = trainer.work / f"build/trained/{MODEL}/bundles" / digest.removeprefix("sha256:")
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["training"]["commit"] == trainer.commit
    assert manifest["created"] == "2001-02-03T04:05:06Z"


def test_it_says_which_models_it_has(trainer: Trainer) -> None:
    done = trainer.run("train", "penguin", "--out", "build/trained")
    assert done.returncode == 1
    assert "'penguins'" in done.stderr or "penguins" in done.stderr


def test_it_holds_no_environments(trainer: Trainer) -> None:
    """Where a model runs is nothing that a training knows, and a freeze builds no image."""
    names = {path.name for path in trainer.work.iterdir()}
    assert names == {"models", "build"}
