"""Commits read as data: what is stored comes out, whatever the commit says about itself."""

from __future__ import annotations

from pathlib import Path

from modelctl.repository import trees
from tests.modelctl.conftest import commit_all

NAMES = ("environments/dev/iris/a b.yaml", "environments/dev/iris/é.yaml", "environments/x\ny.yaml")


def test_attributes_and_odd_names_change_nothing(repo: Path) -> None:
    """`git archive` would leave these files out, and write `$Id$` with another text."""
    attributes = "environments/** export-ignore export-subst ident eol=crlf filter=none\n"
    (repo / ".gitattributes").write_text(attributes)
    content = b"a: $Id$ $Format:%H$\n\xff"
    for name in NAMES:
        (repo / name).write_bytes(content)
    (repo / ".gitattributes").unlink()
    commit_all(repo, "files")
    (repo / ".gitattributes").write_text(attributes)
    commit_all(repo, "attributes")
    folder = repo.parent / "out"
    entries = trees.files(repo, "HEAD")
    trees.export(repo, entries, folder)
    assert {path for path in entries if (folder / path).is_file()} == set(entries) > set(NAMES)
    assert {(folder / name).read_bytes() for name in NAMES} == {content}


def test_a_moved_file_is_a_removed_and_a_new_one(repo: Path) -> None:
    start = trees.commit_id(repo, "HEAD", "--base")
    old, new = "environments/dev/iris/settings.yaml", "environments/dev/iris/é.yaml"
    (repo / old).rename(repo / new)
    (repo / "environments/dev/common.yaml").chmod(0o755)
    here = trees.changed_here(repo, start)
    commit_all(repo, "moved")
    committed = trees.changed(repo, start, "HEAD")
    for found in (here, committed):
        modes = {path: entry.mode if entry else "" for path, entry in found.items()}
        assert modes == {old: "", new: "100644", "environments/dev/common.yaml": "100755"}
