"""Read and update what is committed beside a model's training code: `models/<model>/*.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from modelctl.errors import ModelctlError
from modelctl.repository import edits, yamlfile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class StrictModel(BaseModel):
    """A file, or a part of one: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(
    schema: type[yamlfile.Model], path: Path, *, model: str, what: str, command: str
) -> yamlfile.Model:
    """The committed file. Raises ModelctlError if it is missing or invalid.

    `what` is the file's content in words, `command` the command that creates it.
    """
    if not path.is_file():
        raise ModelctlError(
            f"model '{model}' has no {what}",
            expected=f"models/{model}/{path.name}",
            fix=f"run `{command} --update`, review the file and commit it",
        )
    return yamlfile.validate(schema, path)


def plan_update(path: Path, head: str, values: Mapping[str, Any]) -> edits.Edit:
    """Plan to write these values; comments of an existing file stay, a new one gets `head`."""
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    content = yamlfile.parse(before, path)
    for key, value in values.items():
        if content.get(key) != value:
            content[key] = value
    text = yamlfile.dump(content)
    return edits.Edit(path, before, text if before else head + text)
