"""What a forge enforces: the ruleset to import, and the judge that a pull request cannot change."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import jsonschema

from modelctl.repository import replays, verifications
from tests.github.test_workflows import FILES, jobs, read, steps
from tests.paths import ROOT

RULESET = json.loads((ROOT / ".github/rulesets/main.json").read_text())
JUDGE = ROOT / ".github/workflows/judge.yml"
GITHUB_ACTIONS = 15368  # the app that reports the jobs of workflows


def exactly(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """An object with these keys and no other: a typo would be ignored by the forge."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def rule(name: str, **parameters: Any) -> dict[str, Any]:
    kind = {"type": {"const": name}}
    return exactly({**kind, "parameters": exactly(parameters)} if parameters else kind)


TEXT, FLAG = {"type": "string"}, {"type": "boolean"}
TEXTS = {"type": "array", "items": TEXT}
# The body of "Create a repository ruleset" in GitHub's REST API, version 2026-03-10, as far as we
# use it.
SCHEMA = exactly(
    {
        "name": TEXT,
        "target": {"enum": ["branch", "tag", "push"]},
        "enforcement": {"enum": ["disabled", "active", "evaluate"]},
        "bypass_actors": {"type": "array"},
        "conditions": exactly({"ref_name": exactly({"include": TEXTS, "exclude": TEXTS})}),
        "rules": {
            "type": "array",
            "items": {
                "oneOf": [
                    rule("creation"),
                    rule("update"),
                    rule("deletion"),
                    rule("non_fast_forward"),
                    rule(
                        "pull_request",
                        allowed_merge_methods={
                            "type": "array",
                            "items": {"enum": ["merge", "squash", "rebase"]},
                        },
                        dismiss_stale_reviews_on_push=FLAG,
                        require_code_owner_review=FLAG,
                        require_last_push_approval=FLAG,
                        required_approving_review_count={"type": "integer", "maximum": 10},
                        required_review_thread_resolution=FLAG,
                    ),
                    rule(
                        "required_status_checks",
                        do_not_enforce_on_create=FLAG,
                        required_status_checks={
                            "type": "array",
                            "items": exactly(
                                {"context": TEXT, "integration_id": {"type": "integer"}}
                            ),
                        },
                        strict_required_status_checks_policy=FLAG,
                    ),
                ]
            },
        },
    }
)


RECORDS = json.loads((ROOT / ".github/rulesets/verified-tags.json").read_text())


def parameters(kind: str) -> dict[str, Any]:
    (found,) = [rule["parameters"] for rule in RULESET["rules"] if rule["type"] == kind]
    return dict(found)


def test_the_forge_can_import_the_ruleset() -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(RULESET)
    assert RULESET["enforcement"] == "active"
    assert RULESET["conditions"]["ref_name"]["include"] == ["~DEFAULT_BRANCH"]
    assert RULESET["bypass_actors"] == []


def test_nobody_but_bypass_actors_makes_moves_or_removes_a_record() -> None:
    """Records are read by name, so that one that could be moved would count for another version."""
    jsonschema.Draft202012Validator(SCHEMA).validate(RECORDS)
    assert (RECORDS["target"], RECORDS["enforcement"]) == ("tag", "active")
    assert {rule["type"] for rule in RECORDS["rules"]} == {"creation", "update", "deletion"}
    (actor,) = RECORDS["bypass_actors"]
    assert actor["actor_type"] == "RepositoryRole"  # a fork adds its app, whose id we cannot know
    # GitHub matches with fnmatch and FNM_PATHNAME: `**/` is any number of folders.
    assert RECORDS["conditions"]["ref_name"] == {
        "include": [f"refs/tags/{each.PREFIX}/**/*" for each in (verifications, replays)],
        "exclude": [],
    }


def test_owners_approve_the_newest_commit_on_the_newest_target() -> None:
    reviews = parameters("pull_request")
    assert reviews["require_code_owner_review"]
    assert reviews["dismiss_stale_reviews_on_push"]
    # A rebase would add every commit of a branch to what ran.
    assert reviews["allowed_merge_methods"] == ["merge", "squash"]
    assert parameters("required_status_checks")["strict_required_status_checks_policy"]
    assert {rule["type"] for rule in RULESET["rules"]} >= {"deletion", "non_fast_forward"}


def test_every_required_check_is_a_job_that_runs_for_every_pull_request() -> None:
    names = {}
    for path in FILES:
        events = read(path)["on"]
        for event in {"pull_request", "pull_request_target"} & set(events):
            options = events[event] or {}
            for job in jobs(path).values():
                is_for_all = not {"paths", "paths-ignore"} & set(options) and "if" not in job
                names[job["name"]] = is_for_all
    required = parameters("required_status_checks")["required_status_checks"]
    for check in required:
        assert names.get(check["context"]), check
        assert check["integration_id"] == GITHUB_ACTIONS
    assert "modelctl check" in {check["context"] for check in required}


def test_no_two_jobs_have_the_name_of_a_required_check() -> None:
    """A forge would go by the one that ended last."""
    names = [job.get("name") for path in FILES for job in jobs(path).values()]
    for check in parameters("required_status_checks")["required_status_checks"]:
        assert names.count(check["context"]) == 1


def test_the_judge_has_nothing_of_the_pull_request_but_objects() -> None:
    events = read(JUDGE)["on"]
    assert set(events) == {"pull_request_target", "merge_group"}
    assert events["pull_request_target"]["branches"] == ["main"]
    assert "edited" in events["pull_request_target"]["types"]
    ((_, job),) = jobs(JUDGE).items()
    assert job["permissions"] == {"contents": "read", "statuses": "read"}
    (checkout,) = [step["with"] for step in job["steps"] if "checkout@" in step.get("uses", "")]
    assert "base" in checkout["ref"]
    assert "head" not in checkout["ref"]
    assert checkout["fetch-depth"] == "0"
    assert "cache" not in JUDGE.read_text()


def test_the_judge_imports_nothing_else_of_the_checkout(tmp_path: Path) -> None:
    """A folder at the top that bears the name of an optional library would be imported by it."""
    root, environment = tmp_path / "checkout", tmp_path / "environment"
    root.mkdir()
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    for name in ("app", "modelctl"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ("bomb/__init__.py", "requirements/uv.txt", "requirements/dev.txt", ".venv/made"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).touch()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/*/site-packages")
    # The locked packages; a path in a file `.pth` is not searched for more of these.
    (site / "locked.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (environment / "bin/uv").symlink_to(ROOT / ".venv/bin/uv")
    (install,) = [step["run"] for step in steps(JUDGE) if "make" in step.get("run", "")]
    words = [*install.split(), "--silent", f"BIN={environment}/bin", "PYTHON=true"]
    subprocess.run(words, cwd=root, check=True, capture_output=True)
    python = environment / "bin/python"
    origin = "import modelctl; print(modelctl.__file__)"
    argv = [str(python), "-P", "-c"]
    done = subprocess.run([*argv, origin], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(site))
    assert subprocess.run([*argv, "import bomb"], cwd=root, capture_output=True).returncode == 1
    subprocess.run([environment / "bin/modelctl", "check", "--help"], cwd=root, check=True)
    # As a program in .venv/bin does: the folder of the program comes first, not that of the shell.
    assert not any("python -m" in step.get("run", "") for step in steps(JUDGE))


def test_nothing_at_the_top_of_a_checkout_runs_while_python_is_installed(tmp_path: Path) -> None:
    """`python -m pip` takes a folder `pip` in the working directory for the program."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("uv.txt", "dev.txt"):
        (tmp_path / "requirements" / name).touch()
    for module in ("venv", "pip", "ensurepip", "json"):
        (tmp_path / module).mkdir()
        for file in ("__init__.py", "__main__.py"):
            (tmp_path / module / file).write_text(f"open('{tmp_path}/ran', 'a').write(__name__)\n")
    argv = ["make", "--silent", "venv", f"PYTHON={sys.executable}"]
    # It fails where there is no uv to call: what counts is what ran until then.
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert ".venv/bin/uv" in done.stderr
    assert not (tmp_path / "ran").exists()
