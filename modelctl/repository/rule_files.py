"""The files that decide what may run, or that judge a change: one list for every use of it.

Code owners approve changes of them, and they do not travel with versions. A pattern is a folder
(`name/`), a file, `*.py` or `*.x/` for those of one kind at the top, or `**/name` for a file in any
folder. All start at the repository's root.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from modelctl.repository.environments import CHART, FILE

OWNERS = ".github/CODEOWNERS"
# Read by a forge instead of ours, or beside it: GitLab looks at the root first.
OTHER_OWNERS = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")

PATTERNS = (
    # What the forge enforces and runs.
    ".ci/",
    ".github/",
    ".gitlab/",
    ".gitlab-ci.yml",
    *OTHER_OWNERS[:2],
    # GNU make reads the first of these.
    "GNUmakefile",
    "makefile",
    "Makefile",
    # Git reads these before it hands out a file, to Argo CD too.
    "**/.gitattributes",
    ".gitmodules",
    # The code of `modelctl check`, all that it imports, and all that installs it. The repository
    # itself is on Python's path.
    "modelctl/",
    "app/",
    "requirements/",
    "tools/",
    "pyproject.toml",
    "hatch.toml",
    "uv.toml",
    "*.py",
    "*.pyc",
    "*.so",
    "*.dist-info/",
    "*.egg-info/",
    ".venv/",
    ".tools/",
    "sitecustomize/",
    "usercustomize/",
    # The rules, and what turns them into Applications, namespaces and values.
    str(FILE),
    "environments/environments.schema.json",
    "argocd/",
    "kustomize/environments/",
    f"{CHART}/values.yaml",
    # What is in every image, what bots update, what a cluster admits.
    "Dockerfile",
    ".dockerignore",
    "renovate.json",
    "deploy/admission/",
)


def is_rule_file(path: str) -> bool:
    """Whether a file decides what may run, or judges changes."""
    return any(_matches(path, pattern) for pattern in PATTERNS)


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return path.rpartition("/")[2] == pattern.removeprefix("**/")
    if pattern.endswith("/"):
        folder, slash, _ = path.partition("/")
        return path.startswith(pattern) or fnmatchcase(folder + slash, pattern)
    if "*" in pattern:
        return "/" not in path and fnmatchcase(path, pattern)
    return path == pattern
