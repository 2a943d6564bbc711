"""Run a page of the documentation: its ```console blocks, in order, in a checkout of its own.

A line that begins with `$ ` is a command, what follows is its output: compared when it is shown,
where `...` stands for anything (alone in a line, for any number of lines). A block that begins
with ```console refused must fail; ```console cluster needs a cluster that follows the repository,
and is left out without one. Must not know what the pages say.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelctl.repository import codeowners
from tests import samples
from tests.paths import ROOT

BLOCK = re.compile(r"^```console( cluster)?( refused)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS = 300


@dataclass(frozen=True)
class Step:
    """One command of a page, and the output that the page shows.

    `refused`: it should fail. `cluster`: it looks at one.
    """

    command: str
    output: str
    refused: bool
    cluster: bool


def steps(page: Path) -> list[Step]:
    """Every command of a page."""
    found = []
    for cluster, refused, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            size = 1
            while lines[size - 1].endswith("\\"):
                size += 1
            command, output = lines[:size], lines[size:]
            shown = "\n".join(output)
            found.append(Step("\n".join(command), shown, bool(refused), bool(cluster)))
    return found


def _give_samples(root: Path) -> None:
    """Put the tests' environments and their baselines in place of a fork's own; no models."""
    overlays = root / "kustomize/environments/overlays"
    kept = root / "kept"
    shutil.move(sorted(overlays.iterdir())[0], kept)
    for owned in (overlays, root / "models"):
        shutil.rmtree(owned)
    schema = (root / "environments/environments.schema.json").read_bytes()
    shutil.rmtree(root / "environments")
    shutil.copytree(samples.ENVIRONMENTS, root / "environments")
    (root / "environments/environments.schema.json").write_bytes(schema)
    # The samples ask for no approvals; a fork's may.
    owners = root / codeowners.FILE
    owners.write_text(codeowners.text(owners.read_text(encoding="utf-8"), []), encoding="utf-8")
    for environment in (root / "environments").glob("*/"):
        shutil.copytree(kept, overlays / environment.name)
    shutil.rmtree(kept)


@dataclass(frozen=True)
class Checkout:
    """A repository with a remote `origin`; `prefix` is put before each command that runs in it."""

    root: Path
    environ: dict[str, str]
    prefix: tuple[str, ...] = ()

    @classmethod
    def make(cls, folder: Path, **environ: str) -> Checkout:
        """A copy of this work tree, with what git knows or would take, on the branch `main`.

        With the tests' environments in place of a fork's own, and without its models.
        """
        upstream, origin, root = folder / "upstream.git", folder / "origin.git", folder / "fork"
        root.mkdir()
        listed = "git ls-files -z --cached --others --exclude-standard"
        existing = 'xargs -0 sh -c \'for f; do [ -e "$f" ] && printf "%s\\0" "$f"; done\' _'
        copy = f"{listed} | {existing} | tar -c --null -T - | tar -x -C {shlex.quote(str(root))}"
        subprocess.run(["bash", "-c", copy], cwd=ROOT, check=True)
        _give_samples(root)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
        known = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            # The copy's modules, not those of the work tree.
            "PYTHONPATH": str(root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KUBECONFIG": str(kubeconfig),
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "UPSTREAM": str(upstream),
            **environ,
        }
        (folder / "gitconfig").write_text(
            "[user]\nname = You\nemail = you@example.org\n[init]\ndefaultBranch = main\n"
            "[advice]\ndetachedHead = false\n[commit]\ngpgSign = false\n"
        )
        made = cls(root, known)
        for command in (
            "git init --quiet && git add --all && git commit --quiet --message start",
            f"git clone --quiet --bare . {shlex.quote(str(upstream))}",
            f"git clone --quiet --bare . {shlex.quote(str(origin))}",
            f"git remote add origin {shlex.quote(str(origin))} && git fetch --quiet",
            "git branch --quiet --set-upstream-to origin/main",
        ):
            made.bash(command).check_returncode()
        return made

    def bash(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a user would; its errors are part of its output."""
        return subprocess.run(
            [*self.prefix, "bash", "-euo", "pipefail", "-c", command],
            cwd=self.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def walk(
        self,
        page: Path,
        *,
        cluster: bool = False,
        supply: Mapping[str, Callable[[], str]] | None = None,
    ) -> int:
        """Run every step of a page; returns how many there were. Fails at the first difference.

        `supply` makes variables that the page has from elsewhere, when a step names them first.
        What a page starts and ends again, with its process id in a file, ends when the page fails.
        """
        try:
            return self._walk(page, cluster=cluster, supply=supply or {})
        finally:
            for file in self.root.glob("*.pid"):
                os.kill(int(file.read_text()), signal.SIGTERM)

    def _walk(self, page: Path, *, cluster: bool, supply: Mapping[str, Callable[[], str]]) -> int:
        found = [step for step in steps(page) if cluster or not step.cluster]
        for step in found:
            for name, make in supply.items():
                if f"${name}" in step.command and name not in self.environ:
                    self.environ[name] = make()
            started = time.monotonic()
            done = self.bash(step.command)
            said = f"$ {step.command}\n{done.stdout}"
            print(f"{said}({time.monotonic() - started:.1f} s)", flush=True)
            assert (done.returncode != 0) is step.refused, f"exit code {done.returncode}: {said}"
            assert same(step.output, done.stdout), f"the page shows:\n{step.output}\nbut: {said}"
        return len(found)


def same(shown: str, printed: str) -> bool:
    """Whether what a page shows is what was printed, `...` being anything; nothing shown fits."""
    if not shown.strip():
        return True
    lines = [
        re.sub(r"\\ \.\*$", r"(?:\\ .*)?", escaped)
        for escaped in (
            re.escape(line.rstrip()).replace(re.escape("..."), ".*") for line in shown.splitlines()
        )
    ]
    pattern = "".join("(?:.*\n)*?" if line == ".*" else f"{line}[ ]*\n" for line in lines)
    return re.fullmatch(pattern, printed if printed.endswith("\n") else f"{printed}\n") is not None
