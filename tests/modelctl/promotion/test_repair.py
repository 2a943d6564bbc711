"""A target branch whose own rules cannot be read: only the change that repairs them may pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.conftest import ENVIRONMENTS, VALUES, commit_all, run
from tests.modelctl.promotion.judged import DEV, NEW, OLD, PRODUCTION, RULES, commit, git, judge

CHART = "charts/ml-model"
VALUES_FILE, DEFINITION = f"{CHART}/values.yaml", f"{CHART}/Chart.yaml"
SCHEMA = f"{CHART}/values.schema.json"
OWNERS = ".github/CODEOWNERS"
SETTINGS = PRODUCTION.replace("version", "settings")
OVERRIDE = PRODUCTION.replace("version", "override")
GARBAGE = {
    "not-yaml": b"a: [\n",
    "not-text": b"\xff\xfe\n",
    "list": b"- a\n",
    "anchor": b"a: &x 1\n",
    "nested": b"[" * 5000,
}
# A change of the chart raises its version.
RAISED = {DEFINITION: "name: ml-model\nversion: 0.1.1\n"}
FILES = {
    RULES: {RULES: ENVIRONMENTS},
    VALUES_FILE: {VALUES_FILE: VALUES, **RAISED},
    DEFINITION: RAISED,
    SCHEMA: {SCHEMA: "{}\n", **RAISED},
    SETTINGS: {SETTINGS: "config:\n  logLevel: info\n"},
    PRODUCTION: {PRODUCTION: OLD},
    OVERRIDE: {},
}


def broken(root: Path, name: str, content: bytes | None) -> None:
    """Break a file on the target branch by a direct push, and start a branch there."""
    git("switch", "--quiet", "main")
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    commit_all(root, "break")
    git("switch", "--quiet", "--force-create", "change")


def restore(root: Path, name: str) -> None:
    if not FILES[name]:
        (root / name).unlink()
    commit(root, "repair", **FILES[name])


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_repair_of_any_file_passes(target: Path, name: str, kind: str) -> None:
    broken(target, name, GARBAGE[kind])
    restore(target, name)
    run("check", "--base", "main")
    git("switch", "--quiet", "main")
    judge()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param(RULES, None, id="missing"),
        pytest.param(RULES, b"", id="empty"),
        pytest.param(RULES, (ENVIRONMENTS + "nonsense: 1\n").encode(), id="key"),
        pytest.param(VALUES_FILE, None, id="values-missing"),
        pytest.param(VALUES_FILE, b"# @file sometimes\na: 1\n", id="marker"),
    ],
)
def test_a_repair_of_the_rules_says_that_nothing_judged_it(
    target: Path, name: str, content: bytes | None
) -> None:
    broken(target, name, content)
    restore(target, name)
    git("switch", "--quiet", "main")
    said = judge()
    assert "the target branch cannot be read" in said
    assert f"this change touches nothing but {', '.join(sorted(FILES[name]))}" in said
    assert "review of an administrator" in said


def test_a_link_in_place_of_the_rules_can_be_repaired(target: Path) -> None:
    git("switch", "--quiet", "main")
    (target / RULES).unlink()
    (target / RULES).symlink_to("elsewhere.yaml")
    commit_all(target, "link")
    git("switch", "--quiet", "--force-create", "change")
    (target / RULES).unlink()
    commit(target, "repair", **{RULES: ENVIRONMENTS})
    git("switch", "--quiet", "main")
    assert "review of an administrator" in judge()


@pytest.mark.parametrize("name", [RULES, VALUES_FILE])
@pytest.mark.parametrize(
    "more",
    [
        {DEV: NEW.replace("1.1.0", "1.2.0")},
        {SETTINGS: "config:\n  logLevel: debug\n"},
        {"docs/page.md": "text\n"},
        {OWNERS: "* @nobody\n"},
        {"modelctl/promotion/rules.py": "SOAK = False\n"},
    ],
    ids=["version", "settings", "page", "owners", "code"],
)
def test_a_repair_carries_nothing_else(target: Path, name: str, more: dict[str, str]) -> None:
    broken(target, name, GARBAGE["not-yaml"] if name == RULES else b"# @file sometimes\n")
    commit(target, "repair and more", **FILES[name], **more)
    git("switch", "--quiet", "main")
    with pytest.raises(RefusedError, match=f"{next(iter(more))}.*a pull request of its own"):
        judge()


@pytest.mark.parametrize("change", [{DEV: NEW.replace("1.1.0", "1.2.0")}, {"docs/page.md": "x\n"}])
def test_nothing_else_passes_until_then(target: Path, change: dict[str, str]) -> None:
    broken(target, RULES, b"a: [\n")
    commit(target, "no repair", **change)
    git("switch", "--quiet", "main")
    with pytest.raises(RefusedError, match=r"environments\.yaml:\d+: invalid YAML(.|\n)*repair"):
        judge()


def test_a_repair_that_is_none_is_refused(target: Path) -> None:
    broken(target, RULES, b"a: [\n")
    commit(target, "no repair", **{RULES: "a: {\n"})
    git("switch", "--quiet", "main")
    with pytest.raises(ModelctlError, match=r"environments\.yaml:\d+: invalid YAML"):
        judge()


def test_the_owners_that_a_repair_generates_come_along(target: Path) -> None:
    approvals = ENVIRONMENTS.replace(
        "namespace: ml-production\n", "namespace: ml-production\n    approvals: ['@org/ml']\n"
    )
    broken(target, RULES, b"a: [\n")
    (target / RULES).write_text(approvals)
    run_generate(target)
    commit_all(target, "repair")
    git("switch", "--quiet", "main")
    assert "review of an administrator" in judge()
    git("switch", "--quiet", "change")
    owners = (target / OWNERS).read_text()
    commit(target, "more", **{OWNERS: f"/docs/ @somebody\n{owners}"})
    git("switch", "--quiet", "main")
    with pytest.raises(RefusedError, match=r"CODEOWNERS.*a pull request of its own"):
        judge()


def run_generate(root: Path) -> None:
    """What `make generate` writes into CODEOWNERS."""
    from modelctl.repository import codeowners
    from modelctl.repository.checkout import Repository

    (root / OWNERS).parent.mkdir(exist_ok=True)
    text = codeowners.text("", Repository.find(root).environments)
    (root / OWNERS).write_text(text)
