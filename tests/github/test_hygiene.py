"""What the forge and its robots read: valid by their own schemas, and true of this repository."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import ROOT
from tools.catalog import CATALOG

TRACKED = subprocess.run(
    ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
    check=True,
    capture_output=True,
    text=True,
).stdout.splitlines()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
FORMS = "vendor.github-issue-forms"
RENOVATE = json.loads((ROOT / "renovate.json").read_text())
HOOKS: list[dict[str, Any]] = [
    hook
    for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repo["hooks"]
]


def refusal(schema: str, *files: Path, transform: str = "") -> str:
    """What a schema says against files; empty when it takes them. Needs no network."""
    command = [str(ROOT / ".venv/bin/check-jsonschema"), "--builtin-schema", schema]
    if transform:
        command += ["--data-transform", transform]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        (FORMS, ".github/ISSUE_TEMPLATE/[!c]*.yml"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("vendor.renovate", "renovate.json"),
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.github-actions", ".github/actions/*/action.yml"),
        ("custom.github-workflows-require-timeout", ".github/workflows/*.yml"),
    ],
    ids=["issue forms", "issue config", "renovate", "workflows", "actions", "timeouts"],
)
def test_the_forge_takes_it(schema: str, pattern: str) -> None:
    files = sorted(ROOT.glob(pattern))
    assert files
    assert refusal(schema, *files) == ""


def test_a_form_without_a_question_is_refused(tmp_path: Path) -> None:
    """So the schemas are really asked."""
    form = tmp_path / "form.yml"
    form.write_text("name: Nothing\ndescription: asks nothing\nbody: []\n")
    assert "body" in refusal(FORMS, form)


def test_renovate_leaves_alone_what_our_own_commands_write() -> None:
    ignored = RENOVATE["ignorePaths"]
    assert {"environments/**", "requirements/**"} <= set(ignored)
    for manager in ("pip-compile", "pip_requirements"):
        assert RENOVATE[manager] == {"enabled": False}


def test_renovate_ignores_only_what_exists() -> None:
    for pattern in RENOVATE["ignorePaths"]:
        folder = pattern.removesuffix("/**")
        assert list(ROOT.glob(folder)), pattern


def test_renovate_sees_every_pin_of_a_wheel_and_of_the_makefile() -> None:
    """Its expressions are JavaScript's; these differ from Python's in how a group is named."""
    seen = set()
    for manager in RENOVATE["customManagers"]:
        (path,), (pin,) = manager["managerFilePatterns"], manager["matchStrings"]
        files = [name for name in TRACKED if re.search(path.strip("/"), name)]
        for name in files:
            found = re.finditer(pin.replace("(?<", "(?P<"), (ROOT / name).read_text())
            seen |= {(name, one["depName"].lower(), one["currentValue"]) for one in found}
    wheels = {
        (f"tools/{tool.name}/requirements.in", tool.wheel, tool.version.removeprefix("v"))
        for tool in CATALOG
        if tool.wheel
    }
    assert wheels <= seen
    written = re.findall(r"^(\w+)_VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert seen - wheels == {("Makefile", name.lower(), version) for name, version in written}
    (python,) = (rule for rule in RENOVATE["packageRules"] if rule.get("groupName") == "python")
    assert "custom.regex" in python["matchManagers"]


def test_renovate_waits_before_it_proposes_a_release() -> None:
    """Most bad releases are found in their first days; what fixes a vulnerability does not wait."""
    assert RENOVATE["minimumReleaseAge"] == "7 days"
    assert RENOVATE["internalChecksFilter"] == "strict"
    assert RENOVATE["vulnerabilityAlerts"]["minimumReleaseAge"] is None


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_is_a_pinned_program_or_a_make_target(hook: dict[str, Any]) -> None:
    program, *arguments = hook["entry"].split()
    assert hook["language"] == "system"
    if program == "make":
        assert set(arguments) <= TARGETS
    else:
        assert program.startswith(".venv/bin/")
        assert (ROOT / program).is_file()


@pytest.mark.parametrize("hook", [h for h in HOOKS if "files" in h], ids=lambda h: h["id"])
def test_a_hook_has_files_to_look_at(hook: dict[str, Any]) -> None:
    assert [name for name in TRACKED if re.search(hook["files"], name)]


def test_hooks_come_from_this_repository_only() -> None:
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]


def test_make_lint_runs_every_check_of_a_hook() -> None:
    """A commit that the hooks let through is not stopped by make lint for the same reason."""
    lint = (ROOT / "Makefile").read_text().partition("\nlint: ")[2].partition("\n\n")[0]
    checked = {hook["entry"].split()[0] for hook in HOOKS} - {"make", ".venv/bin/modelctl"}
    assert {f"$(BIN)/{Path(program).name}" for program in checked} <= set(lint.split())


def test_whoever_finds_a_vulnerability_is_told_where_to_go() -> None:
    assert "Report a vulnerability" in (ROOT / "SECURITY.md").read_text()
    for name in ("bug.yml", "config.yml"):
        assert "SECURITY.md" in (ROOT / ".github/ISSUE_TEMPLATE" / name).read_text()
