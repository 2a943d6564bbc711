"""The example for GitLab CI: valid by GitLab's schema, and its commands exist.

tests/modelctl/promotion/test_gitlab_jobs.py runs a job.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from modelctl.cli import cli
from tests.github.test_hygiene import refusal
from tests.github.test_workflows import TARGETS
from tests.paths import ROOT

FILE = ROOT / "deploy/gitlab/gitlab-ci.yml"
SCHEMA = "vendor.gitlab-ci"
SCRIPTS = ("before_script", "script", "after_script")


class Loader(yaml.SafeLoader):
    """YAML with GitLab's `!reference [job, key]`, as a tuple."""


def _reference(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[str, ...]:
    assert isinstance(node, yaml.SequenceNode)
    return tuple(loader.construct_sequence(node))


Loader.add_constructor("!reference", _reference)


def read() -> dict[str, Any]:
    # A SafeLoader with one tag more.
    found: dict[str, Any] = yaml.load(FILE.read_text(), Loader)  # noqa: S506
    return found


CONTENT = read()
JOBS = {
    name: job for name, job in CONTENT.items() if isinstance(job, dict) and set(job) & {"script"}
}


def lines(value: Any) -> list[str]:
    """The commands of a script, references followed."""
    found = []
    for entry in value:
        if isinstance(entry, tuple):
            target: Any = CONTENT
            for key in entry:
                target = target[key]
            found += lines(target)
        else:
            found.append(entry)
    return found


def scripts(job: dict[str, Any]) -> list[str]:
    parent = CONTENT.get(job.get("extends", ""), {})
    return [line for key in SCRIPTS for line in lines(job.get(key, parent.get(key, [])))]


def key(job: str, name: str) -> Any:
    """A key of a job, or of what it extends."""
    found = CONTENT[job]
    while name not in found:
        found = CONTENT[found["extends"]]
    return found[name]


def test_gitlab_takes_it(tmp_path: Path) -> None:
    """By the schema that GitLab publishes for editors; `!reference` as GitLab resolves it."""
    assert refusal(SCHEMA, FILE, transform="gitlab-ci") == ""
    broken = tmp_path / "gitlab-ci.yml"
    broken.write_text(FILE.read_text().replace("resource_group: images", "resource_group: []"))
    assert "resource_group" in refusal(SCHEMA, broken, transform="gitlab-ci")


def test_what_a_job_extends_needs_or_refers_to_exists() -> None:
    for job in JOBS.values():
        assert job.get("extends", next(iter(CONTENT))) in CONTENT
        assert set(job.get("needs", [])) <= set(JOBS)
        assert scripts(job)


@pytest.mark.parametrize("name", JOBS)
def test_every_command_in_it_exists(name: str) -> None:
    text = "\n".join(scripts(JOBS[name])).replace("\\\n", " ")
    for call in re.findall(r"(?<![\w./-])make ([^|;>\n)]*)", text):
        words = re.sub(r'\b[A-Z_]+=("[^"]*"|\S+)', "", call).split()
        assert {word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)} <= TARGETS, call
    for call in re.findall(r"\.venv/bin/modelctl ([^|>\n]*)", text):
        command = cli.get_command(click.Context(cli), call.split()[0])
        assert command is not None, call
        known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", call)) <= known, call


@pytest.mark.parametrize("name", JOBS)
def test_every_script_is_one_that_shellcheck_takes(name: str) -> None:
    text = "#!/bin/bash\nset -eo pipefail\n" + "\n".join(scripts(JOBS[name])) + "\n"
    # Models are names without spaces; variables come from the runner.
    checked = subprocess.run(
        [str(ROOT / ".venv/bin/shellcheck"), "--exclude=SC2154,SC2016", "-"],
        input=text,
        capture_output=True,
        text=True,
    )
    assert checked.stdout == ""


def test_the_whole_history_is_there_and_a_merge_request_names_its_base() -> None:
    assert CONTENT["variables"]["GIT_DEPTH"] == "0"
    assert CONTENT["variables"]["BASE"] == "$CI_COMMIT_BEFORE_SHA"
    (rule,) = CONTENT[".of-merge-request"]["rules"]
    assert rule["variables"] == {"BASE": "$CI_MERGE_REQUEST_DIFF_BASE_SHA"}
    for name in ("check", "diff"):
        assert key(name, "rules") == [rule]


def test_what_has_the_bots_token_runs_on_the_default_branch_in_an_environment() -> None:
    """A branch has no pipeline but that of its merge request, which has none of them."""
    assert CONTENT["workflow"]["rules"] == [
        {"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'},
        {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"},
    ]
    for name in JOBS:
        if "BOT_TOKEN" in "\n".join(scripts(JOBS[name])):
            assert "merge_request_event" not in str(key(name, "rules"))
            expected = "$ENVIRONMENT" if name in ("promote", "retire") else "bot"
            assert key(name, "environment") == {"name": expected, "action": "prepare"}
            assert key(name, "resource_group")
