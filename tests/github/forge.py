"""Run workflows on this machine as GitHub would: expressions, conditions, needs, shell steps.

`act` runs them, an implementation of the forge's rules that is not ours, on the host and without a
network. Programs that steps call are recorded with their arguments and environment, and do nothing,
unless a test says otherwise; so are actions, with their inputs. Knows no workflow.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests import rendering
from tests.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

REMOTE_ACTION = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
# What other actions and steps read of an action.
OUTPUTS = {
    "actions/create-github-app-token": {"token": "bot-token"},
    "docker/build-push-action": {"digest": "sha256:" + "d" * 64},
}
SECRETS = {"GITHUB_TOKEN": "workflow-token", "BOT_PRIVATE_KEY": "bot-key"}
SECONDS = 120

RECORDER = """#!{python}
import json, os, subprocess, sys
name, arguments = {name!r}, sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps([name, arguments, dict(os.environ)]) + "\\n")
words = " ".join([name, *arguments])
if any(each in words for each in {failing!r}):
    sys.exit(9)
for each, answer in {answers!r}.items():
    if each in words:
        sys.stdout.write(answer)
        sys.exit(0)
if any(each in words for each in {real!r}):
    sys.exit(subprocess.run([{program!r}, *arguments]).returncode)
"""


@dataclass(frozen=True)
class Call:
    """A program or an action that a step ran; the inputs of an action are its environment."""

    program: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str]

    def __str__(self) -> str:
        return " ".join([self.program, *self.arguments])


@dataclass(frozen=True)
class Run:
    """What came of a run: the result of every job that ran, by its id, and the calls in order."""

    jobs: dict[str, str]
    outputs: Mapping[str, str]
    calls: tuple[Call, ...]
    log: str

    def words(self, program: str) -> list[str]:
        """The arguments of every call of a program, each call as one text."""
        return [" ".join(call.arguments) for call in self.calls if call.program == program]

    def one(self, beginning: str) -> Call:
        """The only call that begins so."""
        (found,) = [call for call in self.calls if str(call).startswith(beginning)]
        return found


@dataclass
class Forge:
    """A checkout with our workflows on a machine that plays the forge."""

    root: Path
    folder: Path
    # Words of a call -> what it prints.
    answers: dict[str, str] = field(default_factory=dict)
    # Calls that are made, and those that fail.
    real: list[str] = field(
        default_factory=lambda: [
            *(
                "changed-models",
                "changed-trainer",
                "planned-trainings",
                "make --no-print-directory registry",
            )
        ]
    )
    failing: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))

    @classmethod
    def make(cls, folder: Path) -> Forge:
        """A repository with two models and our workflows, committed on `main`."""
        root = folder / "checkout"
        shutil.copytree(ROOT / ".github", root / ".github")
        shutil.copy(ROOT / "Makefile", root)
        # act does not know the key; GitHub's schema does, in test_hygiene.
        for path in (root / ".github/workflows").glob("*.yml"):
            path.write_text(re.sub(r"^ *queue: max\n", "", path.read_text(), flags=re.MULTILINE))
        for name in ("models/iris/model.yaml", "models/churn/model.yaml", "app/routes.py"):
            (root / name).parent.mkdir(parents=True)
            (root / name).write_text("x\n")
        (root / ".gitignore").write_text("/.venv\n/build/\n")
        forge = cls(root, folder)
        forge.git("init", "--quiet", "--initial-branch=main")
        forge.git("remote", "add", "origin", "https://github.com/Some-Owner/Models.git")
        forge.commit("start")
        return forge

    def git(self, *arguments: str) -> str:
        """What git answers in the checkout."""
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        argv = ["git", "-C", str(self.root), *identity, *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        """Write files, commit everything, and return the commit."""
        for name, text in files.items():
            self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, text: str) -> None:
        """Write one file of the checkout."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def push(self, workflow: str, before: str, **more: str) -> Run:
        """What a push to main starts."""
        event = {"ref": "refs/heads/main", "before": before, "after": self.git("rev-parse", "HEAD")}
        return self.run("push", workflow, {**event, **more})

    def pull_request(self, job: str) -> Run:
        """What a pull request starts whose merge commit is HEAD."""
        head = {"repo": {"full_name": "Some-Owner/Models"}}
        # The event's base stays behind the branch: nothing may depend on it.
        base = {"sha": self.git("rev-list", "--max-parents=0", "HEAD"), "ref": "main"}
        payload = {"number": 1, "pull_request": {"number": 1, "head": head, "base": base}}
        return self.run("pull_request", "ci.yml", payload, job)

    def merge_group(self, base: str, job: str) -> Run:
        """What a merge queue starts, whose HEAD is to be pushed on top of a commit of main."""
        group = {"base_sha": base, "base_ref": "refs/heads/main", "head_ref": "refs/heads/queue"}
        payload = {"action": "checks_requested", "merge_group": group, "ref": "refs/heads/queue"}
        return self.run("merge_group", "ci.yml", payload, job)

    def dispatch(self, workflow: str, ref: str = "refs/heads/main", **inputs: Any) -> Run:
        """What a dispatch by hand starts; a name has `-` for `_`."""
        named = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.run("workflow_dispatch", workflow, {"ref": ref, "inputs": named})

    def run(self, event: str, workflow: str, payload: Mapping[str, Any], job: str = "") -> Run:
        """Run a workflow of the checkout for an event with that payload."""
        log = self.folder / "calls"
        log.unlink(missing_ok=True)
        event_file = self.folder / "event.json"
        event_file.write_text(json.dumps({"repository": {"default_branch": "main"}, **payload}))
        argv = [
            *(str(rendering.tool("act")), event, "--json", "--rm", "--use-gitignore=false"),
            *("--workflows", f".github/workflows/{workflow}", "--eventpath", str(event_file)),
            *("--platform", "ubuntu-24.04=-self-hosted"),
            *(word for name in self._actions(log) for word in ("--local-repository", name)),
            *(word for pair in self.variables.items() for word in ("--var", "=".join(pair))),
            *(word for pair in self.secrets.items() for word in ("--secret", "=".join(pair))),
            *(("--job", job) if job else ()),
        ]
        environ = {
            "PATH": f"{self._programs(log)}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }
        done = subprocess.run(
            argv, cwd=self.root, env=environ, capture_output=True, text=True, timeout=SECONDS
        )
        text = done.stdout + done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        jobs = {line["jobID"]: line["jobResult"] for line in lines if "jobResult" in line}
        calls = log.read_text().splitlines() if log.exists() else []
        assert "workflow is not valid" not in text, text
        said = "".join(str(line["msg"]) for line in lines if line.get("raw_output"))
        return Run(jobs, _outputs(lines), tuple(_call(line) for line in calls), said)

    def _programs(self, log: Path) -> Path:
        """A folder with a recorder in the place of each program; those of .venv are there."""
        folder = self.folder / "programs"
        for name in ("make", "gh", "docker", "cosign", "touch"):
            self._recorder(folder / name, name, shutil.which(name) or "", log)
        self._recorder(self.root / ".venv/bin/modelctl", "modelctl", "", log)
        python = self.root / ".venv/bin/python"
        _executable(python, f'#!/bin/sh\nexec {ROOT}/.venv/bin/python "$@"\n')
        return folder

    def _actions(self, log: Path) -> list[str]:
        """A recorder in the place of each action, as `act` is told of it."""
        asked: dict[str, set[str]] = {}
        for path in (self.root / ".github").glob("*/*.yml"):
            for job in yaml.safe_load(path.read_text()).get("jobs", {}).values():
                for step in job.get("steps", []):
                    if REMOTE_ACTION.match(step.get("uses", "")):
                        asked.setdefault(step["uses"], set()).update(step.get("with", {}))
        return [f"{uses}={self._action(uses, inputs, log)}" for uses, inputs in asked.items()]

    def _action(self, uses: str, inputs: set[str], log: Path) -> Path:
        name = uses.partition("@")[0]
        folder = self.folder / "actions" / name.replace("/", "+")
        self._recorder(folder / "record", name, "", log)
        step = {
            "shell": "bash",
            "run": f"'{folder}/record'; {self._work(name)}",
            "env": {each: f"${{{{ inputs.{each} }}}}" for each in sorted(inputs)},
        }
        action = {
            "name": name,
            "description": "records its inputs",
            "inputs": {each: {"description": each} for each in sorted(inputs)},
            "outputs": {
                key: {"description": key, "value": value}
                for key, value in OUTPUTS.get(name, {}).items()
            },
            "runs": {"using": "composite", "steps": [step]},
        }
        (folder / "action.yml").write_text(yaml.safe_dump(action))
        return folder

    def _work(self, action: str) -> str:
        """What an action does here besides being recorded: it carries files."""
        store = self.folder / "artifacts"
        return {
            # Only called with a `ref`; else `act` itself copies the checkout.
            "actions/checkout": f"cp -a '{self.root}/.' .; git checkout --quiet --force \"$ref\"",
            "actions/upload-artifact": f"mkdir -p '{store}'; "
            f'for each in $path; do if test -e "$each"; '
            f"then cp -a --parents \"$each\" '{store}'; fi; done",
            "actions/download-artifact": f'mkdir -p "$path"; cp -a \'{store}/build/.\' "$path"',
        }.get(action, "")

    def _recorder(self, path: Path, name: str, program: str, log: Path) -> None:
        text = RECORDER.format(
            python=sys.executable,
            name=name,
            log=str(log),
            program=program,
            failing=self.failing,
            answers=self.answers,
            real=self.real,
        )
        _executable(path, text)


def _outputs(lines: list[dict[str, Any]]) -> dict[str, str]:
    """The outputs of all steps, by their names."""
    return {line["name"]: line["arg"] for line in lines if line.get("command") == "set-output"}


def _executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _call(line: str) -> Call:
    program, arguments, environ = json.loads(line)
    return Call(program, tuple(arguments), environ)
