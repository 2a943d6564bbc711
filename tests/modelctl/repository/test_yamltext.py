"""Edits of YAML files change what they must: the rest of the file stays, byte by byte.

The judges are PyYAML, which shares no code with ours, and git, which applies the printed diff.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from modelctl.errors import ModelctlError
from modelctl.repository import edits, yamlfile, yamltext
from modelctl.repository.versions import Version
from tests.modelctl.conftest import VERSION

PATH = Path("file.yaml")
NEWER = yaml.safe_load(VERSION.replace("1.0.0", "1.1.0"))

STRANGE = """\
# Pinned by hand; ask @ops.   \r
model:     # the bundle
      digest:   'sha256:{b}'
      version: "1.0.0"   # as trained in May


image: {{repository: registry.example/iris, tag: 1.0.0,   digest: sha256:{a}}}
chart:
      version: 0.1.0   # {long}
# the end""".format(a="a" * 64, b="b" * 64, long="x" * 5000)


def changed_lines(before: str, after: str) -> list[str]:
    """The lines of `after` that `before` has not at their place; the files are equally long."""
    pairs = zip(before.split("\n"), after.split("\n"), strict=True)
    return [new for old, new in pairs if old != new]


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n# bye\n"], ids=["cut", "newline", "comment"])
def test_only_the_changed_values_change(ending: str, end: str) -> None:
    text = (STRANGE.replace("\r", "") + end).replace("\n", ending)
    after = yamltext.revise(text, NEWER, PATH)
    assert [line.split("#")[0].strip() for line in changed_lines(text, after)] == [
        'version: "1.1.0"',
        f"image: {{repository: registry.example/iris, tag: 1.1.0,   digest: sha256:{'a' * 64}}}",
    ]
    assert yaml.safe_load(after) == NEWER


def test_equal_values_leave_the_file_alone() -> None:
    assert yamltext.revise(STRANGE, yaml.safe_load(STRANGE), PATH) == STRANGE


def test_a_list_of_environments_keeps_its_indentation() -> None:
    text = "environments:\n- name: dev\n  x: 1\n\n# the last\n- name: prod\n  x: 1\n"
    wanted = yaml.safe_load(text)
    wanted["environments"][0]["freezes"] = {"*": {"until": "2026-12-24T00:00:00Z"}}
    assert yamltext.revise(text, wanted, PATH) == text.replace(
        "  x: 1\n\n", "  x: 1\n  freezes:\n    '*':\n      until: '2026-12-24T00:00:00Z'\n\n"
    )


@pytest.mark.parametrize(
    "word", ["yes", "n", "on", "1.0", "1e3", "2026-11-25", "null", "~", "0o7", "1:30", "=", "a: b"]
)
def test_a_string_that_another_reader_takes_for_something_else_is_quoted(word: str) -> None:
    for text in ("a: x\n", "a: 'x'\n", 'a: "x"\n', "{}\n", "", "b:\n  c: 1\n"):
        wanted = {**(yaml.safe_load(text) or {}), "a": word}
        assert yaml.safe_load(yamltext.revise(text, wanted, PATH)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "base: &b {x: 1}\ncopy: *b\n",
        "base: &b {x: 1}\ncopy:\n  <<: *b\n  y: 2\n",
        "? [complex]\n: 1\nx: 2\n",
    ],
    ids=["alias", "merge", "complex-key"],
)
def test_what_readers_read_differently_is_not_edited(text: str) -> None:
    with pytest.raises(ModelctlError, match=r"file\.yaml:\d: "):
        yamltext.revise(text, {"x": 1}, PATH)


# --- generated files --------------------------------------------------------------------------

KEYS = st.sampled_from(["image", "tag", "digest", "n-1", "a.b/c", "zone", "x"])
LEAVES = st.one_of(
    st.integers(-5, 10**12),
    st.booleans(),
    st.none(),
    st.sampled_from(["", "yes", "1.0", "1.0.0", "sha256:ab", "it's", 'a "b"', "a # b", "é", "- a"]),
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=3)),
    max_leaves=10,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=5)


def inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class Style:
    """How one file is written by hand."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.indent = draw(st.sampled_from([2, 3, 4]))
        self.dash = draw(st.sampled_from([0, 2]))
        self.comments = 0

    def block(self, values: dict[str, Any], pad: int) -> list[str]:
        lines = []
        for key, value in values.items():
            if self.draw(st.booleans()):
                self.comments += 1
                lines.append(f"{' ' * pad}# comment {self.comments}")
            name = json.dumps(key) if self.draw(st.booleans()) else key
            if isinstance(value, dict) and value and self.draw(st.booleans()):
                lines += [f"{' ' * pad}{name}:", *self.block(value, pad + self.indent)]
            elif isinstance(value, list) and value and self.draw(st.booleans()):
                lines.append(f"{' ' * pad}{name}:")
                for item in value:
                    dash = f"{' ' * (pad + self.dash)}- "
                    if isinstance(item, dict) and item:
                        rest = self.block(item, len(dash))
                        start = next(
                            i for i, line in enumerate(rest) if "#" not in line[: len(dash) + 1]
                        )
                        lines += [
                            *rest[:start],
                            dash + rest[start][len(dash) :],
                            *rest[start + 1 :],
                        ]
                    else:
                        lines.append(dash + inline(item))
            else:
                self.comments += 1
                gap = " " * self.draw(st.integers(1, 3))
                lines.append(f"{' ' * pad}{name}:{gap}{inline(value)} # comment {self.comments}")
        return lines


@st.composite
def files(draw: st.DrawFn) -> str:
    lines = Style(draw).block(draw(DOCUMENTS), 0)
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    return ending.join(lines) + draw(st.sampled_from(["", ending, ending * 2]))


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of each scalar."""
    if isinstance(value, dict):
        return [p for key, item in value.items() for p in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [p for key, item in enumerate(value) for p in leaves(item, (*path, key))]
    return [path]


def put(content: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value


@settings(max_examples=200, deadline=None)
@given(files(), st.data())
def test_one_changed_value_changes_one_line(text: str, data: st.DataObject) -> None:
    before = yaml.safe_load(text)
    wanted = copy.deepcopy(before)
    places = leaves(before)
    if not places:
        return
    put(wanted, data.draw(st.sampled_from(places)), data.draw(st.sampled_from(["new", 7, "yes"])))
    after = yamltext.revise(text, wanted, PATH)
    assert yaml.safe_load(after) == wanted
    assert len(changed_lines(text, after)) <= 1
    assert after.count("\r\n") == text.count("\r\n")


@settings(max_examples=200, deadline=None)
@given(files(), DOCUMENTS)
def test_whatever_changes_the_result_is_right_and_no_other_line_is_touched(
    text: str, wanted: dict[str, Any]
) -> None:
    """Top-level keys with the same value on both sides keep their lines, comments and order."""
    before = yaml.safe_load(text)
    after = yamltext.revise(text, wanted, PATH)
    assert yaml.safe_load(after) == wanted
    kept = [key for key in before if key in wanted and repr(before[key]) == repr(wanted[key])]
    blocks = _blocks(text)
    rest = _blocks(after)
    # Without the end of the line: a file without a last newline may end in another key now.
    for key in kept:
        assert rest[key].rstrip() == blocks[key].rstrip()
    ending = "\r\n" if "\r\n" in text else "\n"
    assert after.replace(ending, "").count("\n") == 0
    assert after.endswith("\n") == text.endswith("\n")


def _blocks(text: str) -> dict[str, str]:
    """The lines of each top-level key, without comments above it."""
    result: dict[str, str] = {}
    key = ""
    for line in text.split("\n"):
        found = re.match(r'("[^"]*"|\'[^\']*\'|[^\s#"\'-][^:]*):', line)
        if found:
            key = yaml.safe_load(found[1])
            result[key] = ""
        if key and not line.startswith("#"):
            result[key] += line + "\n"
    return result


@settings(max_examples=40, deadline=None)
@given(files(), DOCUMENTS)
def test_git_applies_the_diff(
    tmp_path_factory: pytest.TempPathFactory, text: str, wanted: dict[str, Any]
) -> None:
    root = tmp_path_factory.mktemp("apply")
    path = root / "file.yaml"
    path.write_bytes(text.encode())
    edit = edits.set_content(path, wanted)
    git = ["git", "-C", str(root)]
    subprocess.run([*git, "init", "-q"], check=True)
    if edit.has_changes:
        words = [*git, "apply", "--whitespace=nowarn", "-"]
        subprocess.run(words, input=edit.diff(root).encode(), check=True)
    assert path.read_bytes().decode() == edit.after


def test_a_change_of_line_endings_alone_is_in_the_diff(tmp_path: Path) -> None:
    edit = edits.Edit(tmp_path / "f", "a: 1\r\nb: 2\r\n", "a: 1\nb: 2")
    assert edit.diff(tmp_path).splitlines(keepends=True)[3:] == [
        "-a: 1\r\n",
        "-b: 2\r\n",
        "+a: 1\n",
        "+b: 2\n",
        "\\ No newline at end of file\n",
    ]


def test_a_version_file_with_crlf_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "version.yaml"
    path.write_bytes(VERSION.replace("\n", "\r\n").encode())
    edit = edits.set_version(path, Version.model_validate(NEWER))
    assert edit.after == VERSION.replace("1.0.0", "1.1.0").replace("\n", "\r\n")
    yamlfile.write(path, edit.after or "")
    assert path.read_bytes().decode() == edit.after
