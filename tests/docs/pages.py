"""The hand-written pages, and the repository paths that they name."""

from __future__ import annotations

import re
import subprocess

from tests.paths import ROOT

TRACKED = subprocess.run(
    ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
    check=True,
    capture_output=True,
    text=True,
).stdout.splitlines()
PAGES = [ROOT / name for name in TRACKED if name.endswith(".md") and (ROOT / name).exists()]
# Written by a program, which has tests of its own.
GENERATED = {
    "charts/ml-model/README.md",
    "docs/benchmarks.md",
    "docs/how-to/chart-recipes.md",
    "docs/reference/cli.md",
    "docs/reference/consumer.md",
    "docs/reference/exactness.md",
    "docs/reference/fetch.md",
    "docs/reference/logs.md",
    "docs/reference/metrics.md",
    "docs/reference/settings.md",
}
HAND_WRITTEN = [page for page in PAGES if str(page.relative_to(ROOT)) not in GENERATED]
# What pages add in their examples, and take away again.
EXAMPLES = {"churn", "canary", "cancer", "mine"}
# A fork may take these away; pages go on to use them as examples.
SAMPLES = {"iris", "penguins", "diabetes", "dev", "staging", "production"}
OWNED = (
    *("models/", "environments/"),
    *("kustomize/environments/overlays/", "kustomize/model/overlays/"),
)
# Looks like a path: a commit status.
NOT_PATHS = {"argocd/<environment>-<model>", "argocd/staging-iris"}
FOLDERS = sorted({name.partition("/")[0] for name in TRACKED if "/" in name}, key=len, reverse=True)
# Not behind a slash, a dot or a word: those are URLs, other folders and parts of words.
PATH = re.compile(
    rf"(?<![\w./<>$-])(?:{'|'.join(map(re.escape, FOLDERS))})/(?:[\w./<>{{}},*$-]*[\w/>}}*])?"
)


def named_paths(text: str) -> set[str]:
    """Every path of this repository that a text names, in prose, tables and commands."""
    found = set()
    for match in PATH.findall(re.sub(r"\w+://\S+|\]\([^)]*\)", "", text)):
        found |= set(_alternatives(match))
    return found - NOT_PATHS


def _alternatives(path: str) -> list[str]:
    """What a shell makes of `{a,b}`."""
    braces = re.search(r"\{([^{}]*)\}", path)
    if braces is None:
        return [path]
    options = [path[: braces.start()] + one + path[braces.end() :] for one in braces[1].split(",")]
    return [found for option in options for found in _alternatives(option)]


def exists(path: str) -> bool:
    """Whether a path is there; `<name>`, `$NAME` and `*` stand for anything."""
    if EXAMPLES & set(re.split(r"[/.]", path)):
        return True
    # A fresh fork has no version file: `modelctl bump` writes the first.
    path = path.removesuffix("version.yaml") if path.startswith("environments/") else path
    if path.startswith(OWNED):
        # By its shape: any model of any environment has such a file.
        path = "/".join("*" if part in SAMPLES else part for part in path.split("/"))
    pattern = re.sub(r"<[^>]*>|\$\w+", "*", path).rstrip("/")
    return any(True for _ in ROOT.glob(pattern))
