"""Run a page of the documentation: its ```console blocks, in order, in a checkout of its own.

A line that begins with `$ ` is a command, what follows is its output: compared when it is shown,
where `...` stands for anything (alone in a line, for any number of lines). A block that begins
with ```console refused must fail. Must not know what the pages say.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```console( refused)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS = 300


@dataclass(frozen=True)
class Step:
    """One command of a page, the output that the page shows, and whether it should fail."""

    command: str
    output: str
    refused: bool


def steps(page: Path) -> list[Step]:
    """Every command of a page."""
    found = []
    for refused, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            size = 1
            while lines[size - 1].endswith("\\"):
                size += 1
            command, output = lines[:size], lines[size:]
            found.append(Step("\n".join(command), "\n".join(output), bool(refused)))
    return found


@dataclass(frozen=True)
class Checkout:
    """A copy of this work tree as a repository of its own, with a remote `origin`."""

    root: Path
    environ: dict[str, str]

    @classmethod
    def make(cls, folder: Path, **environ: str) -> Checkout:
        """Copy what git knows or would take, and commit it on the branch `main`."""
        upstream, origin, root = folder / "upstream.git", folder / "origin.git", folder / "fork"
        root.mkdir()
        listed = "git ls-files -z --cached --others --exclude-standard"
        existing = 'xargs -0 sh -c \'for f; do [ -e "$f" ] && printf "%s\\0" "$f"; done\' _'
        copy = f"{listed} | {existing} | tar -c --null -T - | tar -x -C {shlex.quote(str(root))}"
        subprocess.run(["bash", "-c", copy], cwd=ROOT, check=True)
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
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.root,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def walk(self, page: Path) -> int:
        """Run every step of a page; returns how many there were. Fails at the first difference."""
        found = steps(page)
        for step in found:
            done = self.bash(step.command)
            said = f"$ {step.command}\n{done.stdout}"
            assert (done.returncode != 0) is step.refused, f"exit code {done.returncode}: {said}"
            assert same(step.output, done.stdout), f"the page shows:\n{step.output}\nbut: {said}"
        return len(found)


def same(shown: str, printed: str) -> bool:
    """Whether what a page shows is what was printed, `...` being anything; nothing shown fits."""
    if not shown.strip():
        return True
    lines = [
        re.escape(line.rstrip()).replace(re.escape("..."), ".*") for line in shown.splitlines()
    ]
    pattern = "".join("(?:.*\n)*?" if line == ".*" else f"{line}[ ]*\n" for line in lines)
    return re.fullmatch(pattern, printed if printed.endswith("\n") else f"{printed}\n") is not None
