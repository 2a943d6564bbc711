"""Validate and edit YAML, keeping comments and key order, with the line of every problem.

What Helm and Argo CD read too is a strict subset of YAML (`strict_yaml`).
"""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from modelctl.errors import ModelctlError
from modelctl.repository import strict_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # a long value stays on its line
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def parse(text: str, path: Path) -> CommentedMap:
    """The mapping in `text`, with comments; an empty text is an empty mapping.

    `path` appears in errors only. Raises ModelctlError for invalid YAML, duplicate keys or a
    document that is not a mapping.
    """
    try:
        content = _yaml().load(text)
    except MarkedYAMLError as error:
        raise strict_yaml.invalid(path, error) from error
    if content is None:
        return CommentedMap()
    if not isinstance(content, CommentedMap):
        raise ModelctlError(f"{path}:1: not a mapping", expected="`key: value` lines")
    return content


def read(path: Path) -> CommentedMap:
    """The mapping in a file; see `parse`."""
    try:
        return parse(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError as error:
        raise ModelctlError(f"{path}: file not found") from error


def dump(content: CommentedMap) -> str:
    """The text of a mapping, comments included."""
    stream = io.StringIO()
    _yaml().dump(content, stream)
    return stream.getvalue()


def write(path: Path, text: str) -> None:
    """Replace a file atomically: a reader sees the old text or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp gave us a name, not a Path
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def line_of(content: CommentedMap, keys: Sequence[str | int]) -> int:
    """The line (from 1) of the deepest existing part of a key path."""
    node: Any = content
    line = 1
    for key in keys:
        try:
            position = node.lc.item(key) if isinstance(key, int) else node.lc.key(key)
            node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
        line = position[0] + 1
    return line


def validate(model: type[Model], path: Path, content: CommentedMap | None = None) -> Model:
    """The file as a validated `model`; `content` is its mapping if it is already parsed.

    Raises ModelctlError with every problem, each as `file:line: key: message`.
    """
    content = read(path) if content is None else content
    return _validated(model, path, content, lambda keys: line_of(content, keys))


def validate_strict(
    model: type[Model], path: Path, content: strict_yaml.Document | str | bytes | None = None
) -> Model:
    """As `validate`, for a file that Helm and Argo CD read too; `content` may be its text."""
    if not isinstance(content, strict_yaml.Document):
        content = strict_yaml.read(path) if content is None else strict_yaml.parse(content, path)
    return _validated(model, path, content.content, content.line_of)


def _validated(
    model: type[Model],
    path: Path,
    content: dict[str, Any],
    line: Callable[[Sequence[str | int]], int],
) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [
            f"{path}:{line(item['loc'])}: "
            f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}"
            f"{_advice(item['type'], item['input'])}"
            for item in error.errors()
        ]
        raise ModelctlError("\n".join(problems), fix="correct these lines") from error


def _advice(problem: str, value: object) -> str:
    """A number where text belongs is usually a text without quotes."""
    if problem != "string_type" or not isinstance(value, (bool, int, float)):
        return ""
    return f", found {str(value).lower()}; write quotes"
