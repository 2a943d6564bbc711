"""Change values in the text of a YAML file and nothing else.

Line endings, indentation, comments, quotes, key order and the end of the file stay as they are,
because a reviewer reads the diff: it has to show the change alone. Works on the positions of the
parsed nodes, and is checked by reading the result as Helm does: what positions cannot express is
written anew as a whole. Knows nothing of what the keys mean.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scalarstring import (
    DoubleQuotedScalarString,
    ScalarString,
    SingleQuotedScalarString,
)

from modelctl.errors import ModelctlError
from modelctl.repository import scalars, strict_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WIDTH = 2**31 - 1  # no line is ever wrapped
# Without quotes, these are strings for every reader; `yes`, `1.0` and dates are not.
PLAIN = re.compile(
    r"""[A-Za-z/][\w./@+-]*(?::[\w./@+-]+)*   # words, paths, digests
    | \d+\.\d+\.\d+(?:[+-][\w.+-]+)?         # versions
    | \d[\w.-]*(?::\d+)?(?:/[\w.+-]+)+        # addresses
    """,
    re.VERBOSE | re.ASCII,
)


def revise(text: str, wanted: Mapping[str, Any], path: Path) -> str:
    """The text with the values of `wanted`; `path` appears in errors only.

    Raises ModelctlError if `text` is outside of the strict subset of YAML, or `wanted` cannot be
    written in it.
    """
    before = strict_yaml.parse(text, path).content
    if _same(before, wanted):
        return text
    body = text if text.endswith("\n") or not text else text + _ending(text, len(text))
    root = YAML(typ="safe", pure=True).compose(body)
    if isinstance(root, MappingNode):
        revision = _Revision(body, root)
        revision.mapping(root, before, wanted)
        revised = revision.apply()
    else:  # empty, or comments only
        revised = body + _dump(wanted, body)
    if not text.endswith("\n") and text:
        revised = revised.removesuffix("\n").removesuffix("\r")
    if not _is(revised, wanted, path):
        revised = _dump(wanted, body)
        if not _same(strict_yaml.parse(revised, path).content, wanted):
            raise ModelctlError(f"{path}: these values cannot be written so that all readers agree")
    return revised


def _is(text: str, wanted: Mapping[str, Any], path: Path) -> bool:
    try:
        return _same(strict_yaml.parse(text, path).content, wanted)
    except ModelctlError:
        return False


class _Revision:
    """Replacements in a text: (start, end, new text), by the positions of its nodes."""

    def __init__(self, text: str, root: MappingNode) -> None:
        self.text = text
        self.indent, self.offset = _style(root)
        self.changes: list[tuple[int, int, str]] = []

    def apply(self) -> str:
        """The text after all replacements; of two at one place, the inner one comes first."""
        text = self.text
        ordered = sorted(enumerate(self.changes), key=lambda item: (item[1][0], item[0]))
        for _, (start, end, new) in reversed(ordered):
            text = text[:start] + new + text[end:]
        return text

    def mapping(self, node: MappingNode, before: Mapping[str, Any], wanted: Any) -> None:
        """Change, remove and add keys."""
        pairs = list(zip(before, node.value, strict=False))
        kept = [name for name in before if name in wanted]
        added = {name: wanted[name] for name in wanted if name not in before}
        for place, (name, _) in enumerate(pairs):
            if name not in wanted:
                is_last = not kept and not added and place == len(pairs) - 1
                is_first = not any(other in wanted for other, _ in pairs[:place])
                self._remove(node, place, first=is_first, last=is_last)
            elif not _same(before[name], wanted[name]):
                self._value(node, place, name, before[name], wanted[name])
        if added:
            self._add(node, added, is_empty=not kept)

    def _value(self, parent: MappingNode, place: int, name: Any, before: Any, wanted: Any) -> None:
        key, node = parent.value[place]
        if isinstance(node, MappingNode) and isinstance(wanted, dict) and node.value and wanted:
            self.mapping(node, before, wanted)
        elif (
            isinstance(node, SequenceNode)
            and isinstance(wanted, list)
            and len(wanted) == len(node.value) == len(before)
        ):
            for item, old, new in zip(node.value, before, wanted, strict=True):
                self._item(item, old, new, is_flow=bool(node.flow_style))
        elif isinstance(node, ScalarNode) and not isinstance(wanted, (dict, list)):
            self._scalar(node, wanted)
        elif parent.flow_style:
            self.changes.append((node.start_mark.index, node.end_mark.index, _flow(wanted)))
        else:
            start, end = key.start_mark.index, self._end_of_lines(key, node)
            new = self._block({name: wanted}, key.start_mark.column, end)
            self.changes.append((start, end, new[key.start_mark.column :]))

    def _item(self, node: Node, before: Any, wanted: Any, *, is_flow: bool) -> None:
        if _same(before, wanted):
            return
        if isinstance(node, MappingNode) and isinstance(wanted, dict) and node.value and wanted:
            self.mapping(node, before, wanted)
        elif isinstance(node, ScalarNode) and not isinstance(wanted, (dict, list)):
            self._scalar(node, wanted)
        else:
            end = node.end_mark.index if is_flow or _is_flow(node) else self._last(node)
            self.changes.append((node.start_mark.index, end, _flow(wanted)))

    def _scalar(self, node: ScalarNode, wanted: Any) -> None:
        start, end = node.start_mark.index, node.end_mark.index
        tail = ""
        if node.style in ("|", ">"):  # ends where the next token begins
            end = self._last(node)
        if start == end:
            tail = " "
        self.changes.append((start, end, tail + _scalar(wanted, node.style)))

    def _remove(self, parent: MappingNode, place: int, *, first: bool, last: bool) -> None:
        key, value = parent.value[place]
        start = key.start_mark.index
        if parent.flow_style:
            end = value.end_mark.index
            if not first:
                start = parent.value[place - 1][1].end_mark.index
            elif place + 1 < len(parent.value):
                end = parent.value[place + 1][0].start_mark.index
            self.changes.append((start, end, ""))
            return
        line = self.text.rfind("\n", 0, start) + 1
        end = self._end_of_lines(key, value)
        if last:  # nothing is left: an empty value would be null
            pad = self.text[line:start]
            self.changes.append((start if pad.strip() else line, end, f"{pad}{{}}"))
        elif self.text[line:start].strip():  # behind a dash
            if place + 1 < len(parent.value):
                end = parent.value[place + 1][0].start_mark.index
            else:  # the keys that come instead stand on lines of their own
                end = len(self.text[:end].rstrip("\r\n"))
            self.changes.append((start, end, ""))
        else:
            self.changes.append((line, end, ""))

    def _add(self, node: MappingNode, added: dict[str, Any], *, is_empty: bool) -> None:
        if node.flow_style and (node.value or node.start_mark.column):
            inner = _flow(added)[1:-1]
            at = node.value[-1][1].end_mark.index if node.value else node.end_mark.index - 1
            self.changes.append((at, at, f", {inner}" if node.value and not is_empty else inner))
            return
        if node.flow_style:  # an empty file, as `{}`
            start, end = node.start_mark.index, node.end_mark.index
            new = self._block(added, 0, end).rstrip("\r\n")
            self.changes.append((start, end, new))
            return
        key, value = node.value[-1]
        at = self._end_of_lines(key, value)
        self.changes.append((at, at, self._block(added, node.start_mark.column, at)))

    def _end_of_lines(self, key: Node, value: Node) -> int:
        """The start of the line after a pair: comments behind its last value go with it."""
        end = self.text.find("\n", max(self._last(value), key.end_mark.index))
        return len(self.text) if end < 0 else end + 1

    def _last(self, node: Node) -> int:
        """Where the text of a node ends, without what follows."""
        if isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style and node.value:
            child = node.value[-1]
            if isinstance(node, MappingNode):
                return max(self._last(child[1]), int(child[0].end_mark.index))
            return self._last(child)
        end = int(node.end_mark.index)
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            end = len(self.text[:end].rstrip())
        return end

    def _block(self, values: Mapping[str, Any], column: int, at: int) -> str:
        """Keys and values in block style at a column, with the line ending used there."""
        lines = _dump(values, "", self.indent, self.offset).splitlines(keepends=True)
        text = "".join(" " * column + line if line.strip() else line for line in lines)
        return text.replace("\n", _ending(self.text, at))


def _is_flow(node: Node) -> bool:
    return not isinstance(node, (MappingNode, SequenceNode)) or bool(node.flow_style)


def _style(root: MappingNode) -> tuple[int, int]:
    """How far a nested mapping, and the dash of a sequence, are indented in a document."""
    indent = offset = -1
    nodes: list[Node] = [root]
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, SequenceNode):
            nodes += node.value
        if not isinstance(node, MappingNode) or node.flow_style:
            continue
        for _, value in node.value:
            nodes.append(value)
            step = value.start_mark.column - node.start_mark.column
            if isinstance(value, MappingNode) and not value.flow_style and indent < 0:
                indent = step
            if isinstance(value, SequenceNode) and not value.flow_style and offset < 0:
                offset = step
    return (indent if indent > 0 else 2), (offset if offset >= 0 else 2)


def _ending(text: str, at: int) -> str:
    """The line ending before a place in a text."""
    end = text.rfind("\n", 0, at)
    if end < 0:
        end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def _dump(values: Mapping[str, Any], like: str, indent: int = 2, offset: int = 2) -> str:
    """A whole mapping as text, with the line endings of another text."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=indent, sequence=offset + 2, offset=offset)
    stream = io.StringIO()
    yaml.dump(_quoted(values), stream)
    return stream.getvalue().replace("\n", _ending(like, len(like)))


def _quoted(value: Any) -> Any:
    """The same value with quotes around each string that some reader takes for something else.

    Containers of a parsed file keep their comments.
    """
    if isinstance(value, (CommentedMap, CommentedSeq)):
        items = value.items() if isinstance(value, CommentedMap) else enumerate(value)
        for key, item in list(items):
            value[key] = _quoted(item)
        return value
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if isinstance(value, str) and not isinstance(value, ScalarString) and not _is_plain(value):
        kind = SingleQuotedScalarString if value.isprintable() else DoubleQuotedScalarString
        return kind(value)
    return value


def _is_plain(value: str) -> bool:
    return PLAIN.fullmatch(value) is not None and not scalars.needs_quotes(value)


def _scalar(value: Any, style: str | None) -> str:
    """One value on one line; a string in the quotes that are there, or in those it needs."""
    if isinstance(value, str):
        if style not in ("'", '"') and _is_plain(value):
            return str(value)
        if style != '"' and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        return _flow(str(value))
    stream = io.StringIO()
    YAML().dump({"k": value}, stream)
    return stream.getvalue().removeprefix("k:").strip() or "null"


def _flow(value: Any) -> str:
    """A value in JSON, which is YAML's flow style, but for characters beyond 16 bits."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, and of one type: `1`, `1.0`, `true` and `"1"` all differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    kinds = (bool, int, float, str)
    kind = [next((k for k in kinds if isinstance(v, k)), type(v)) for v in (one, other)]
    return kind[0] is kind[1] and bool(one == other)
