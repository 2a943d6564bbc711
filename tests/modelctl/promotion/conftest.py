"""The target branch that branches are judged against."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.modelctl.conftest import commit_all
from tests.modelctl.promotion.judged import (
    DEV,
    FILES,
    NEW,
    OLD,
    PRODUCTION,
    STAGING,
    commit,
    git,
    write,
)


@pytest.fixture
def target(repo: Path) -> Path:
    """`main`, where 1.0.0 ran everywhere and 1.1.0 in dev and staging; `change` is checked out."""
    write(repo, FILES)
    commit_all(repo, "files")
    git("branch", "--move", "main")
    for version, names in ((OLD, (DEV, STAGING, PRODUCTION)), (NEW, (DEV, STAGING))):
        for name in names:
            commit(repo, "release", **{name: version})
    git("switch", "--quiet", "--create", "change")
    return repo
