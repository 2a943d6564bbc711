"""The record of a promotion that left out rules: `override.yaml` beside the version file.

It is a file and not only words in a commit, so that a forge asks its code owners, whatever becomes
of commit messages when a pull request is merged. It counts for one version only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, StringConstraints

from modelctl.repository import edits, yamlfile
from modelctl.repository.checkout import OVERRIDE_FILE
from modelctl.repository.environments import OverridableRule
from modelctl.repository.strict_model import STRICT
from modelctl.repository.versions import Version

if TYPE_CHECKING:
    from pathlib import Path

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

Reason = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")]


class Override(BaseModel):
    """Rules that do not apply to one version in one environment, and why.

    `source` (`from` in the file) is the environment that it was taken from instead of the previous
    ones.
    """

    model_config = STRICT

    rules: Annotated[list[OverridableRule], Field(min_length=1)]
    reason: Reason
    source: Annotated[str | None, Field(alias="from")] = None
    version: Version


def path(repository: Repository, environment: Environment, model: str) -> Path:
    """Where the record of a model in an environment is."""
    return repository.folder(environment, model) / OVERRIDE_FILE


def read(
    repository: Repository, environment: Environment, model: str, version: Version
) -> Override | None:
    """The record for a version; None if there is none, or one for another version."""
    file = path(repository, environment, model)
    if not file.is_file():
        return None
    override = yamlfile.validate_strict(Override, file)
    return override if override.version == version else None


def plan(file: Path, override: Override | None) -> edits.Edit:
    """Plan to write the record, or to remove the one of an earlier version."""
    if override is None:
        return edits.remove(file)
    return edits.set_content(file, override.model_dump(by_alias=True, exclude_none=True))


def trailers(environment: Environment, model: str, override: Override) -> list[str]:
    """The same for git: `git log --format='%(trailers:key=Override)'`."""
    scope = f"{environment.name}/{model}"
    return [
        f"Override: {scope}: {', '.join(override.rules)}",
        f"Override-Reason: {scope}: {override.reason}",
    ]
