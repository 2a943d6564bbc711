"""Read the strict subset of YAML of every file that Helm and Argo CD read too.

One document, whose text means the same to every reader: no anchors, aliases, merge keys, tags,
directives, tabs or duplicate keys, only keys that are text, and quotes wherever a scalar could be
taken for another type. What is outside of the subset is refused with its line. Reads only:
`yamlfile` edits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from yaml import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    MarkedYAMLError,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml._yaml import CParser

from modelctl.errors import ModelctlError
from modelctl.repository import scalars

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

Keys = tuple[str | int, ...]

MAX_DEPTH = 64
MAX_SHOWN = 60
# Marks of direction are among them: a reviewer would see another order than readers do.
_FORBIDDEN = re.compile(
    r"[^\n\r -~\xa0-\u200d\u2010-\u2027"
    r"\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\ufffc\U00010000-\U0010ffff]|\r(?!\n)"
)
_SEPARATOR = re.compile(r"^---(?! *\r?$)", re.MULTILINE)
_NAMES = {"\t": "a tab", "\ufeff": "a byte order mark", "\0": "a NUL", "\r": "a lone CR"}


@dataclass(frozen=True)
class Document:
    """A mapping as plain data, and the line (from 1) of every key path in it."""

    content: dict[str, Any]
    lines: dict[Keys, int] = field(default_factory=dict)

    def line_of(self, keys: Sequence[str | int]) -> int:
        """The line of the deepest existing part of a key path."""
        for length in range(len(keys), 0, -1):
            if line := self.lines.get(tuple(keys[:length])):
                return line
        return 1


def read(path: Path) -> Document:
    """The document in a file; see `parse`."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelctlError(f"{path}: file not found") from error
    return parse(content, path)


def parse(text: str | bytes, path: Path) -> Document:
    """The document in `text`; an empty one is an empty mapping.

    `path` appears in errors only. Raises ModelctlError with everything that is outside of the
    subset, each as `file:line: key: message`.
    """
    text = _decoded(text, path)
    if match := _FORBIDDEN.search(text):
        line = text.count("\n", 0, match.start()) + 1
        found = _NAMES.get(match[0], f"the character U+{ord(match[0]):04X}")
        raise ModelctlError(
            f"{path}:{line}: {found} in a YAML file",
            expected="printable characters, and spaces for indentation",
            fix='remove it; in a text in double quotes write an escape such as "\\t"',
        )
    if match := _SEPARATOR.search(text):
        raise ModelctlError(
            f"{path}:{text.count(chr(10), 0, match.start()) + 1}: more than --- in that line",
            expected="--- alone, or a text in quotes: Helm splits files at lines that begin so",
        )
    reader = _Reader(text)
    try:
        content = reader.document()
    except MarkedYAMLError as error:
        raise invalid(path, error) from error
    if reader.problems:
        problems = [f"{path}:{line}: {problem}" for line, problem in sorted(reader.problems)]
        raise ModelctlError("\n".join(problems), fix="correct these lines")
    return Document(content, reader.lines)


def invalid(path: Path, error: Any) -> ModelctlError:
    """What a parser says of a text that is no YAML; PyYAML and ruamel word it alike."""
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    found = str(error.problem or "unreadable text")
    return ModelctlError(f"{path}:{line}: invalid YAML", found=found, fix="correct that line")


def _decoded(text: str | bytes, path: Path) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ModelctlError(f"{path}:{line}: not UTF-8", fix="save the file as UTF-8") from error


class _Reader:
    """The events of one text as plain data, with the problems met on the way."""

    def __init__(self, text: str) -> None:
        self.problems: list[tuple[int, str]] = []
        self.lines: dict[Keys, int] = {}
        self._flows = 0  # braces and brackets around the present node
        # Any: the stubs type marks and attributes of events more loosely than they are.
        self._next: Callable[[], Any] = CParser(text).get_event

    def document(self) -> dict[str, Any]:
        """The only document as a mapping."""
        self._next()  # the start of the stream
        start = self._next()
        if isinstance(start, StreamEndEvent):
            return {}
        if isinstance(start, DocumentStartEvent) and (start.version or start.tags):
            self._report(start, (), "a directive: remove it")
        first = self._next()
        content = self._node(first, ())
        end = self._next()
        if not isinstance(end, DocumentEndEvent) or not isinstance(self._next(), StreamEndEvent):
            self._report(end, (), "a second document: one file has one document")
            return {}
        if content is None:
            return {}
        if not isinstance(content, dict):
            self._report(first, (), "not a mapping: expected `key: value` lines")
            return {}
        return content

    def _node(self, event: Any, keys: Keys) -> Any:
        if isinstance(event, AliasEvent):
            self._report(event, keys, f"the alias *{event.anchor}: write the value itself")
            return None
        if event.anchor:
            self._report(event, keys, f"the anchor &{event.anchor}: write each value where it is")
        if event.tag:
            self._report(event, keys, f"the tag {event.tag}: remove it, and write text in quotes")
        if isinstance(event, ScalarEvent):
            return self._scalar(event, keys)
        if len(keys) >= MAX_DEPTH:
            raise MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)
        self._flows += bool(event.flow_style)
        is_mapping = isinstance(event, MappingStartEvent)
        content = self._mapping(keys) if is_mapping else self._list(keys)
        self._flows -= bool(event.flow_style)
        return content

    def _mapping(self, keys: Keys) -> dict[str, Any]:
        content: dict[str, Any] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._key(event, keys)
            here = (*keys, key)
            if key in content:
                self._report(event, here, f"duplicate key; the first is in line {self.lines[here]}")
            self.lines[here] = event.start_mark.line + 1
            content[key] = self._node(self._next(), here)
        return content

    def _key(self, event: Any, keys: Keys) -> str:
        if not isinstance(event, (ScalarEvent, AliasEvent)):
            mark: Any = event.start_mark
            raise MarkedYAMLError(problem="a key that is no text", problem_mark=mark)
        if isinstance(event, ScalarEvent) and event.value == "<<":
            self._report(event, keys, "`<<` is a merge key: write its values where they belong")
            return "<<"
        problems = len(self.problems)
        value = self._node(event, keys)
        if not isinstance(value, str) and len(self.problems) == problems:
            shown = getattr(event, "value", "")
            self._report(
                event, keys, f'`{shown}` is a key that is no text; write quotes: "{shown}"'
            )
        return str(value)

    def _list(self, keys: Keys) -> list[Any]:
        content: list[Any] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            here = (*keys, len(content))
            self.lines[here] = event.start_mark.line + 1
            content.append(self._node(event, here))
        return content

    def _scalar(self, event: ScalarEvent, keys: Keys) -> scalars.Scalar:
        if event.style:
            return str(event.value)
        if self._flows and "?" in event.value:  # where Go's parser ends the scalar
            self._report(event, keys, f"`{event.value[:MAX_SHOWN]}`: a ? in braces needs quotes")
            return str(event.value)
        try:
            return scalars.read(event.value)
        except scalars.AmbiguousError as reason:
            shown = event.value[:MAX_SHOWN]
            self._report(event, keys, f'`{shown}`: {reason}; for the text write quotes: "{shown}"')
            return str(event.value)

    def _report(self, event: Any, keys: Keys, problem: str) -> None:
        name = ".".join(map(str, keys))
        self.problems.append((event.start_mark.line + 1, f"{name}: {problem}" if name else problem))
