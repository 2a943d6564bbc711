"""What every workflow keeps to, and that the commands in them exist.

`make lint` runs actionlint and zizmor over the same files; none of it runs them on GitHub.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from modelctl.cli import cli
from tests import standin
from tests.paths import ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*## ", MAKEFILE, re.MULTILINE))
PROGRAMS = {
    "make",
    ".venv/bin/modelctl",
    "gh",
    "git",
    "docker",
    "cosign",
    "jq",
    "echo",
    "test",
    "timeout",
}
PIN = re.compile(r"uses: ([\w-]+/[\w./-]+)@([0-9a-f]{40})  # v\d+\.\d+\.\d+")
each = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def read(path: Path) -> dict[str, Any]:
    """A workflow; every value is text, so that the key `on` stays what it is."""
    # It makes nothing but text.
    found: dict[str, Any] = yaml.load(path.read_text(), yaml.BaseLoader)  # noqa: S506
    return found


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = read(path)["jobs"]
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


def lines(step: dict[str, Any]) -> list[str]:
    """The commands of a step; nothing for a step that is an action."""
    return [line for line in step.get("run", "").splitlines() if line.strip()]


def calls(path: Path, program: str) -> list[str]:
    """What follows every call of a program up to the end of the command; NAME=value left out."""
    found = [
        call
        for step in steps(path)
        for line in lines(step)
        for call in re.findall(rf"(?<![\w./-]){re.escape(program)} ([^|;>]*)", line)
    ]
    return [re.sub(r"\b[A-Z_]+=(\"[^\"]*\"|\S+)", "", call) for call in found]


@contextmanager
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """A server on this machine that keeps what is posted to it."""
    received: list[Any] = []

    class Handler(standin.Quiet):
        def do_POST(self) -> None:
            received.append(json.loads(self.asked()))
            self.reply(200)

    with standin.serving(Handler) as host:
        yield f"http://{host}/hook", received


@each
def test_nothing_is_granted_but_to_a_job(path: Path) -> None:
    assert read(path)["permissions"] == {}
    assert [name for name, job in jobs(path).items() if "permissions" not in job] == []


@each
def test_every_action_is_a_commit_that_says_its_version(path: Path) -> None:
    uses = [
        line.strip() for line in path.read_text().splitlines() if re.match(r" *(- )?uses: ", line)
    ]
    remote = [line.removeprefix("- ") for line in uses if "uses: ./" not in line]
    assert [line for line in remote if not PIN.fullmatch(line)] == []


def test_an_action_has_one_version_everywhere() -> None:
    """A file that was forgotten would keep an old one, with the faults that were mended since."""
    found: dict[str, set[str]] = {}
    for path in FILES:
        for action, commit in PIN.findall(path.read_text()):
            found.setdefault(action, set()).add(commit)
    assert {action: commits for action, commits in found.items() if len(commits) > 1} == {}


@each
def test_a_checkout_leaves_no_token_behind(path: Path) -> None:
    found = [step["with"] for step in steps(path) if "actions/checkout@" in step.get("uses", "")]
    assert all(options["persist-credentials"] == "false" for options in found)


@each
def test_every_job_ends_and_every_workflow_queues(path: Path) -> None:
    assert read(path)["concurrency"].keys() >= {"group", "cancel-in-progress"}
    for name, job in jobs(path).items():
        # The end-to-end tests have a runner of the user's own, and take longer.
        limit = 60 if str(job.get("runs-on", "")).startswith("ubuntu-") else 150
        assert "uses" in job or int(job["timeout-minutes"]) <= limit, name


@each
def test_nothing_is_interpolated_into_a_script(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@each
def test_a_step_is_one_command_that_runs_anywhere(path: Path) -> None:
    """Two lines where the second passes the answer of the first on."""
    for step in steps(path):
        found = lines(step)
        if len(found) == 2:
            assert re.match(r'echo "(\w+)=\$\1" >> "\$GITHUB_OUTPUT"$', found[1])
        assert len(found) <= 2
        if found:
            assert re.sub(r"^\w+=\$\(", "", found[0]).split()[0] in PROGRAMS


@each
def test_every_make_target_in_it_exists(path: Path) -> None:
    for call in calls(path, "make"):
        words = call.replace(")", " ").split()
        named = {word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)}
        assert named <= TARGETS, call
        assert named or "build/bundles/$MODEL/manifest.json" in call
    assert "\nbuild/bundles/%/manifest.json:" in MAKEFILE


@each
def test_every_option_of_modelctl_in_it_exists(path: Path) -> None:
    for call in calls(path, ".venv/bin/modelctl"):
        command = cli.get_command(click.Context(cli), call.split()[0])
        assert command is not None, call
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", call)) <= known, call


@each
def test_every_module_it_takes_its_go_from_exists(path: Path) -> None:
    options = [step.get("with", {}) for step in steps(path)]
    files = [found["go-version-file"] for found in options if "go-version-file" in found]
    assert [name for name in files if not (ROOT / name).is_file()] == []


@each
def test_no_event_of_somebody_elses_branch_meets_a_key(path: Path) -> None:
    events = read(path)["on"]
    theirs = {"pull_request", "pull_request_target"} & set(events)
    assert not theirs or "secrets." not in path.read_text()
    assert "pull_request_target" not in events or path.stem == "judge"


@pytest.mark.parametrize("image", ["model", "trainer"])
def test_every_build_of_an_image_is_told_all_that_the_dockerfile_asks_for(image: str) -> None:
    """Those that every build of ours has to give; the base image has its pin in the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text()
    asked = set(re.findall(r"^ARG (\w+)", text, re.MULTILINE))
    if image == "trainer":
        asked = set(re.findall(r"^ARG (\w+)", text.partition(f" AS {image}")[2], re.MULTILINE))
        asked |= {"REQUIREMENTS"}
    builds = [
        step["with"]["build-args"]
        for step in steps(ROOT / f".github/workflows/{image}-image.yml")
        if "docker/build-push-action@" in step.get("uses", "")
    ]
    assert len(builds) == 2
    for arguments in builds:
        assert set(re.findall(r"^(\w+)=", arguments, re.MULTILINE)) == asked - {"PYTHON_IMAGE"}


@pytest.mark.parametrize("image", ["model", "trainer"])
def test_what_packages_knows_the_commits_of_models(image: str) -> None:
    """In a shallow clone every model's last commit would be the newest of all."""
    options = [
        step["with"]
        for step in steps(ROOT / f".github/workflows/{image}-image.yml")
        if "actions/checkout@" in step.get("uses", "")
    ]
    assert [each["fetch-depth"] for each in options] == ["0"]


def test_admission_trusts_the_workflows_that_sign_images_and_no_others() -> None:
    policy = yaml.safe_load((ROOT / "deploy/admission/signed-images.yaml").read_text())
    (authority,) = policy["spec"]["authorities"]
    trusted = {each["subject"] for each in authority["keyless"]["identities"]}
    signing = {
        f"https://github.com/OWNER/REPOSITORY/.github/workflows/{path.name}@refs/heads/main"
        for path in FILES
        if any("sign attest" in call for call in calls(path, "make"))
    }
    assert trusted == signing


def test_who_is_told_of_a_degraded_release_is_told_the_way_back() -> None:
    file = ROOT / "argocd/install/argocd-notifications-cm.yaml"
    template = yaml.safe_load(file.read_text())["data"]["template.degraded"]
    (call,) = re.findall(r"`modelctl (.*)`", template)
    command = cli.get_command(click.Context(cli), call.split()[0])
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {"--env", "--reason", "--pull-request"} == set(re.findall(r"--[a-z-]+", call)) & known
    (workflow,) = re.findall(r"/actions/workflows/([\w.]+)", template)
    assert (ROOT / ".github/workflows" / workflow).is_file()


def test_what_may_write_the_comment_runs_nothing_of_the_pull_request() -> None:
    job = jobs(ROOT / ".github/workflows/ci.yml")["comment"]
    assert job["permissions"] == {"pull-requests": "write"}
    assert not [step for step in job["steps"] if "checkout" in step.get("uses", "")]


def test_a_failure_reaches_the_webhook() -> None:
    if not (shutil.which("jq") and shutil.which("curl")):
        pytest.skip("*** LEFT OUT: the webhook of notify.yml: it needs jq and curl ***")
    (step,) = steps(ROOT / ".github/workflows/notify.yml")
    text = 'The "nightly" checks failed: $(id) `id`'
    with receiver() as (address, received):
        environ = {"PATH": "/usr/bin:/bin", "TEXT": text, "WEBHOOK": address}
        subprocess.run(["bash", "-euo", "pipefail", "-c", step["run"]], check=True, env=environ)
    assert received == [{"text": text}]
    assert step["if"] == "env.WEBHOOK != ''"
