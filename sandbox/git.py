"""Run git without the user's configuration, environment and hooks, and without changing them.

Must not know which repositories there are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.proc import Result, run
from sandbox.process import write_file

if TYPE_CHECKING:
    from pathlib import Path

# Set while git runs a hook, which may call `make up`: they would redirect every call.
_REDIRECTIONS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
)

# The author of the sandbox's commits, so that the user needs no git identity.
NAME, EMAIL = "ml-model sandbox", "sandbox@ml-model.invalid"

# Root may read a project that belongs to the user; the user's hooks and signing keys are not used.
CONFIG = f"""\
[user]
\tname = {NAME}
\temail = {EMAIL}
[safe]
\tdirectory = *
[commit]
\tgpgSign = false
[core]
\thooksPath = /dev/null
[advice]
\tdetachedHead = false
"""


@dataclass(frozen=True)
class Git:
    """git in `folder`, with the configuration file `config` in place of the user's.

    Only `folder` itself counts as a repository: ours lie inside the user's, and if one of ours is
    broken, git must not fall back to theirs.
    """

    folder: Path
    config: Path

    def __call__(self, *words: str | Path, check: bool = True) -> Result:
        """Run `git WORDS...` in the folder. Raises CommandError."""
        return self.run(["git", "-C", str(self.folder), *(str(word) for word in words)], check)

    def line(self, *words: str | Path) -> str:
        """Return what git prints, without surrounding whitespace. Raises CommandError."""
        return self(*words).stdout.strip()

    def succeeds(self, *words: str | Path) -> bool:
        """Return whether the command exits with 0."""
        return self(*words, check=False).code == 0

    def run(self, argv: list[str], check: bool = True) -> Result:
        """Run any git command line with our environment. Raises CommandError."""
        if not self.config.exists() or self.config.read_text() != CONFIG:
            write_file(self.config, CONFIG, 0o644)
        unset = [f"--unset={name}" for name in _REDIRECTIONS if name in os.environ]
        env = {
            "GIT_CONFIG_GLOBAL": str(self.config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            # Reading the user's repository must not write its index.
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_CEILING_DIRECTORIES": str(self.folder.resolve().parent),
            "LC_ALL": "C",
        }
        return run(["env", *unset, *argv] if unset else argv, env=env, check=check)
