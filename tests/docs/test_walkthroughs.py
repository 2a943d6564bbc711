"""The walk-throughs of the documentation, run as they stand; the part with a cluster is in e2e."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.paths import ROOT

from .walkthrough import Checkout, same, steps

# Nobody listens there, so a look whether they are there ends at once.
IMAGES = {
    "IMAGE": f"127.0.0.1:1/churn:0.1.0@sha256:{'a' * 64}",
    "NEWER_IMAGE": f"127.0.0.1:1/churn:0.1.0-2@sha256:{'b' * 64}",
}
PAGES = [
    "tutorial/from-new-to-production",
    "how-to/add-an-environment",
    "how-to/batch",
    "how-to/load-test",
    "how-to/own-joblib",
    "how-to/progressive-delivery",
    "how-to/train",
]


@pytest.mark.parametrize("name", PAGES, ids=[name.partition("/")[2] for name in PAGES])
def test_the_page_is_true(name: str, tmp_path: Path) -> None:
    page = ROOT / "docs" / f"{name}.md"
    walked = Checkout.make(tmp_path, **IMAGES).walk(page)
    ours = [step for step in steps(page) if not step.cluster]
    assert walked == len(ours) > 5
    assert len(steps(page)) == page.read_text().count("\n$ ")


def test_updating_a_fork_takes_ours_and_keeps_yours(tmp_path: Path) -> None:
    """With a newer upstream, and a fork that has a model of its own."""
    fork = Checkout.make(tmp_path)
    fork.bash("modelctl new churn && git add --all && git commit -qm mine").check_returncode()
    newer = tmp_path / "newer"
    for command in (
        ["clone", "--quiet", fork.environ["UPSTREAM"], str(newer)],
        ["-C", str(newer), "mv", "CHANGELOG.md", "CHANGES.md"],
        ["-C", str(newer), "commit", "--quiet", "--message", "newer"],
        ["-C", str(newer), "push", "--quiet"],
    ):
        subprocess.run(["git", *command], check=True, env=fork.environ)
    fork.walk(ROOT / "docs/how-to/update-your-fork.md")
    assert (fork.root / "CHANGES.md").exists()
    assert (fork.root / "models/churn/train.py").exists()


def test_every_page_with_a_walk_is_walked() -> None:
    pages = [page for page in ROOT.glob("docs/**/*.md") if "```console" in page.read_text()]
    walked = {f"docs/{name}.md" for name in PAGES} | {"docs/how-to/update-your-fork.md"}
    # Needs a broker: tests/queues/test_walkthrough.py.
    walked.add("docs/how-to/queue.md")
    assert {str(page.relative_to(ROOT)) for page in pages} == walked
    assert all(steps(page) for page in pages)


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("", "anything\n", True),
        ("a ... c\n", "a b c\n", True),
        ("...\nlast\n", "one\ntwo\nlast\n", True),
        ("first\n...\n", "first\n", True),
        ("a ...\n", "a\n", True),
        ("a ...\n", "ab\n", False),
        ("a\n", "b\n", False),
        ("a\n", "a\nb\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_what_a_page_shows_has_to_be_what_is_printed(shown: str, printed: str, fits: bool) -> None:
    assert same(shown, printed) is fits
