"""Who approves: the owners of each deciding file, as a matcher that is not ours finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from modelctl.repository import codeowners, rule_files
from modelctl.repository.environments import Environment

PRODUCTION = "@acme/production"
STAGING = "@acme/staging"
DECIDING = (
    ".ci/run",
    ".github/CODEOWNERS",
    ".github/rulesets/main.json",
    ".github/workflows/judge.yml",
    ".github/workflows/new.yml",
    ".gitattributes",
    ".gitmodules",
    "CODEOWNERS",
    "docs/CODEOWNERS",
    "Dockerfile",
    "GNUmakefile",
    "Makefile",
    "app/model/bundle.py",
    "argocd/templates/models.yaml",
    "charts/ml-model/values.yaml",
    "environments/environments.yaml",
    "kustomize/environments/base/new.yaml",
    "kustomize/environments/overlays/production/kustomization.yaml",
    "modelctl/promotion/rules.py",
    "modelctl/new/module.py",
    "pyproject.toml",
    "requirements/dev.txt",
    "sitecustomize.py",
    "sitecustomize.pyc",
    "sitecustomize.cpython-313-x86_64-linux-gnu.so",
    "evil-1.0.dist-info/entry_points.txt",
    ".venv/.installed",
    ".tools/bin/helm4",
    ".gitattributes",
    "kustomize/.gitattributes",
    "tools/helm4/go.mod",
    "environments/production/common.yaml",
    "environments/production/new/version.yaml",
)
OTHERS = ("README.md", "models/iris/train.py", "docs/page.md", "environments/dev/iris/version.yaml")
LINES = (
    "* @me",
    "*.yaml @me",
    "version.yaml",
    "**/rules.py @me",
    "/environments/** @me",
    "/environments/production/",
    "/environments/production/new/version.yaml @me",
    "modelctl @me",
    "/modelctl/**/module.py",
    "Makefile @me",
    ".github/ @me",
    "**",
)


def environments() -> list[Environment]:
    base = {"cluster": "here", "promotion": "pull-request"}
    return [
        Environment.model_validate({**base, "name": name, "namespace": name, "approvals": owners})
        for name, owners in (("dev", []), ("staging", [STAGING]), ("production", [PRODUCTION]))
    ]


def owners_of(text: str, path: str) -> str:
    """The owners that a forge asks: those of the last line that matches."""
    found = ""
    for line in text.splitlines():
        pattern, _, owners = line.partition(" ")
        if line and not line.startswith("#"):
            expression = GitIgnoreSpecPattern(pattern)
            if expression.match_file(path):
                found = owners
    return found


@pytest.mark.parametrize("line", ["", *LINES])
def test_no_line_takes_a_deciding_file_from_its_owners(tmp_path: Path, line: str) -> None:
    generated = codeowners.text("", environments())
    path = tmp_path / codeowners.FILE
    path.parent.mkdir()
    for before in (
        f"{line}\n{generated}",
        f"{generated}{line}\n",
        f"{generated}\n{generated}{line}",
    ):
        path.write_text(before)
        after = codeowners.text(before, environments())
        assert codeowners.text(after, environments()) == after
        assert line in after
        if any(owners_of(before, name) != owners_of(generated, name) for name in DECIDING):
            assert list(codeowners.violations(tmp_path, environments()))
        for name in DECIDING:
            assert owners_of(after, name) == PRODUCTION, name
        assert owners_of(after, "environments/staging/iris/version.yaml") == STAGING
        assert owners_of(after, "kustomize/environments/overlays/staging/a.yaml") == STAGING
        path.write_text(after)
        assert list(codeowners.violations(tmp_path, environments())) == []


def test_other_files_keep_the_owners_that_their_lines_name() -> None:
    text = codeowners.text("* @me\n", environments())
    assert {owners_of(text, name) for name in OTHERS} == {"@me"}


def test_what_may_not_travel_with_versions_has_an_owner() -> None:
    text = codeowners.text("", environments())
    for name in DECIDING:
        is_value = name.startswith("environments/production/")
        assert rule_files.is_rule_file(name) is not is_value
    for name in OTHERS:
        assert not rule_files.is_rule_file(name)
        assert owners_of(text, name) == ""


@pytest.mark.parametrize("name", ["CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"])
def test_a_second_file_of_owners_is_refused(tmp_path: Path, name: str) -> None:
    for file in (codeowners.FILE, name):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(codeowners.text("", environments()))
    (violation,) = codeowners.violations(tmp_path, environments())
    assert violation.startswith(f"{name}: a forge reads only one")


# "Code Owners syntax and error handling" in GitLab's documentation.
@pytest.mark.parametrize(
    "line",
    [
        "^[Optional]",
        "[Docs]",
        "[Docs][2] @acme/docs",
        " ^[Any][0]",
        "!/environments/",
        "[Ee]nvironments/ @me",
    ],
)
def test_a_line_that_would_decide_on_ours_is_refused(tmp_path: Path, line: str) -> None:
    """On GitLab our lines would belong to that section, whose approval may be optional."""
    (tmp_path / ".github").mkdir()
    (tmp_path / codeowners.FILE).write_text(codeowners.text(f"/docs/ @a\n{line}\n", environments()))
    (problem,) = codeowners.violations(tmp_path, environments())
    assert problem.startswith(f"{codeowners.FILE}:2: `{line.strip()}` decides on lines below it")


def test_a_file_that_the_forge_would_not_load_is_refused(tmp_path: Path) -> None:
    path = tmp_path / codeowners.FILE
    path.parent.mkdir()
    path.write_text(codeowners.text("# comment\n" * 300_000, environments()))
    (violation,) = codeowners.violations(tmp_path, environments())
    assert "GitHub ignores files of 3,000,000 bytes or more" in violation
    path.unlink()
    (violation,) = codeowners.violations(tmp_path, environments())
    assert "stale" in violation
