"""The strict reader refuses a text, or reads in it what Helm and Argo CD read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from modelctl.errors import ModelctlError
from modelctl.repository import strict_yaml, yamltext
from tests.modelctl.repository import yaml_texts
from tests.modelctl.repository.helm_reading import HelmReading, exact
from tests.paths import ROOT

PATH = Path("version.yaml")
# Seconds count here, not depth: a longer search is a matter of this number.
BOUNDED = settings(max_examples=150, deadline=None, database=None)


@pytest.fixture(scope="module")
def helm() -> Iterator[HelmReading]:
    with HelmReading() as reading:
        yield reading


def accepted(text: str | bytes) -> dict[str, object] | None:
    """What the strict reader reads; None if it refuses."""
    try:
        return strict_yaml.parse(text, PATH).content
    except ModelctlError:
        return None


def require_same(helm: HelmReading, text: str | bytes) -> None:
    content = accepted(text)
    assert content is None or exact(content) == exact(helm(text))


def test_the_tool_reads_with_the_versions_of_helm_and_argo_cd() -> None:
    def pins(tool: str) -> set[str]:
        text = (ROOT / "tools" / tool / "go.mod").read_text(encoding="utf-8")
        pattern = r"^(?:require|\t)\s*((?:sigs\.k8s\.io/yaml|go\.yaml\.in/yaml/v2) v\S+)"
        return set(re.findall(pattern, text, re.MULTILINE))

    assert len(pins("yaml-reader")) == 2
    assert pins("yaml-reader") == pins("helm4") == pins("argocd")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        pytest.param("a: 1\n<<: {a: 2}\n", 2, "merge key", id="merge-key"),
        pytest.param("a: 1\n'<<': {a: 2}\n", 2, "merge key", id="quoted-merge-key"),
        pytest.param("a: &x 1\n", 1, "anchor &x", id="anchor"),
        pytest.param("a: 1\nb: *x\n", 2, "alias *x", id="alias"),
        pytest.param("a: 1\nb: !!str 1\n", 2, "the tag", id="tag"),
        pytest.param("a: ! x\n", 1, "the tag", id="tag-without-name"),
        pytest.param("%YAML 1.1\n---\na: 1\n", 1, "directive", id="version"),
        pytest.param("%TAG ! tag:a,2000:\n---\na: 1\n", 1, "directive", id="tag-directive"),
        pytest.param("a: 1\n---\na: 2\n", 2, "second document", id="two-documents"),
        pytest.param("a: 1\n---: 2\n", 2, "more than --- in that line", id="separator-as-key"),
        pytest.param("a: 1\n...\n---\n", 2, "second document", id="empty-second-document"),
        pytest.param(
            "a: 1\nb: 2\na: 3\n", 3, "a: duplicate key; the first is in line 1", id="twice"
        ),
        pytest.param("{a: 1, 'a': 2}\n", 1, "a: duplicate key", id="twice-in-flow"),
        pytest.param("a: 1\nb:\t2\n", 2, "a tab", id="tab"),
        pytest.param("\ufeffa: 1\n", 1, "a byte order mark", id="byte-order-mark"),
        pytest.param("a: 1\nb: \0\n", 2, "a NUL", id="nul"),
        pytest.param("a: 1\rb: 2\n", 1, "a lone CR", id="lone-cr"),
        *(
            pytest.param(f"a: 1\n# {mark}\n", 2, f"U+{ord(mark):04X}", id=f"bidi-{ord(mark):x}")
            for mark in "\u200e\u200f\u202a\u202e\u2066\u2069"
        ),
        pytest.param("a: 1\nb: \u2028\n", 2, "the character U+2028", id="line-separator"),
        pytest.param(b"a: 1\nb: \xff\n", 2, "not UTF-8", id="not-utf-8"),
        pytest.param("a: 1\n".encode("utf-16"), 1, "not UTF-8", id="utf-16"),
        pytest.param("- a\n", 1, "not a mapping", id="list"),
        pytest.param("a\n", 1, "not a mapping", id="text"),
        pytest.param("a: [\n", 2, "invalid YAML", id="unclosed"),
        pytest.param("a: {b?c: 1}\n", 1, "a ? in braces needs quotes", id="question-in-braces"),
        pytest.param("a: [b?]\n", 1, "a ? in braces needs quotes", id="question-in-brackets"),
        pytest.param("1: a\n", 1, "`1` is a key that is no text", id="number-as-key"),
        pytest.param("a:\n  null: 1\n", 2, "`null` is a key that is no text", id="null-as-key"),
        pytest.param("? [a]\n: 1\n", 1, "a key that is no text", id="list-as-key"),
        pytest.param("n: 1\n", 1, "`n`: Helm and Argo CD read false", id="switch-as-key"),
        pytest.param("a: " + "[" * 99 + "]" * 99, 1, "nested too deeply", id="deep"),
    ],
)
def test_what_readers_may_read_differently_is_refused_with_its_line(
    text: str | bytes, line: int, reason: str
) -> None:
    with pytest.raises(ModelctlError) as refused:
        strict_yaml.parse(text, PATH)
    assert str(refused.value).startswith(f"version.yaml:{line}: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("scalar", "readings"),
    [
        ("yes", "Helm and Argo CD read true, YAML 1.2 the text"),
        ("n", "Helm and Argo CD read false, YAML 1.2 the text"),
        ("On", "Helm and Argo CD read true, YAML 1.2 the text"),
        ("1.0", "Helm and Argo CD read the number 1;"),
        ("1.10", "Helm and Argo CD read the number 1.1;"),
        ("1e3", "Helm and Argo CD read the number 1000;"),
        ("0x10", "Helm and Argo CD read the number 16;"),
        ("0o17", "Helm and Argo CD read the number 15;"),
        ("010", "Helm and Argo CD read the number 8;"),
        ("08", "Helm and Argo CD read the number 8;"),
        ("1_000", "Helm and Argo CD read the number 1000;"),
        ("+1", "Helm and Argo CD read the number 1;"),
        (".5", "Helm and Argo CD read the number 0.5;"),
        ("9007199254740993", "a number that is not exact"),
        ("0.12345678901234567", "Helm and Argo CD read the number"),
        (".inf", "a number that JSON cannot hold"),
        ("~", "Helm and Argo CD read null"),
        ("2026-11-25", "Helm and Argo CD read the text, other readers of YAML 1.1 a date"),
        (
            "2026-11-25T10:00:00Z",
            "Helm and Argo CD read the text, other readers of YAML 1.1 a date",
        ),
        (
            "12:30:45",
            "Helm and Argo CD read the text, other readers of YAML 1.1 a number of base 60",
        ),
        ("1,000", "Helm and Argo CD read the text, other readers a number"),
        ("=", "YAML 1.1"),
        ("9" * 300, "a number that is not exact"),
        ("9" * 400, "Helm and Argo CD read the text, other readers a number"),
        ("0x" + "f" * 400, "Helm and Argo CD read the text, other readers a number"),
        ("0" + "7" * 500, "Helm and Argo CD read the text, other readers a number"),
    ],
)
def test_a_scalar_that_needs_quotes_is_refused_with_what_it_is_read_as(
    helm: HelmReading, scalar: str, readings: str
) -> None:
    with pytest.raises(ModelctlError) as refused:
        strict_yaml.parse(f"image:\n  tag: {scalar}\n", PATH)
    problem = str(refused.value).splitlines()[0]
    shown = scalar[: strict_yaml.MAX_SHOWN]
    assert problem.startswith(f"version.yaml:2: image.tag: `{shown}`: ")
    assert readings in problem
    assert problem.endswith(f'for the text write quotes: "{shown}"')
    assert strict_yaml.parse(f'tag: "{scalar}"\n', PATH).content == {"tag": scalar}
    # What the message says of Helm is so.
    if not scalar.startswith(".inf"):
        read = helm(f"tag: {scalar}\n")["tag"]
        if "read the text" in readings:
            assert read == scalar
        elif number := re.search(r"the number ([\d.]+);", readings):
            assert read == float(number[1])


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ModelctlError) as refused:
        strict_yaml.parse("a: yes\nb: &x 1\nc: 010\n", PATH)
    assert [line.split(": ")[0] for line in str(refused.value).splitlines()[:-1]] == [
        "version.yaml:1",
        "version.yaml:2",
        "version.yaml:3",
    ]


USUAL = """\
# A comment.
replicaCount: 2
enabled: true  # another
image: {repository: registry.example:5000/team/iris, tag: 1.0.0, digest: sha256:12e4}
quoted: ["1.0", 'yes', "2026-11-25", '']
resources:
  requests:
    cpu: 500m
    memory: 192Mi
ratio: 0.25
negative: -1
removed: null
empty:
args:
- --log-level=debug
- "{{ .Values.x }}"
nested:
  - name: a
    value: b
  - {name: c, value: d}
literal: |
  key: yes
  - 010
folded: >-
  one
  two
long: one
  two
url: https://example.com/a?b=c#d
"""


@pytest.mark.parametrize(
    "text", [USUAL, USUAL.replace("\n", "\r\n"), f"---\n{USUAL}", "", "# a\n", "{}\n"]
)
def test_what_people_write_is_read_as_helm_reads_it(helm: HelmReading, text: str) -> None:
    content = accepted(text)
    assert content is not None
    assert exact(content) == exact(helm(text))


def test_every_file_of_this_repository_is_read_as_helm_reads_it(helm: HelmReading) -> None:
    files = sorted((ROOT / "environments").rglob("*.yaml"))
    assert len(files) > 20
    for path in files:
        assert exact(strict_yaml.read(path).content) == exact(helm(path.read_bytes())), path


@pytest.mark.parametrize("scalar", yaml_texts.SCALARS)
@pytest.mark.parametrize("form", ["a: {}\n", "{}: a\n", "- {}\n", "a: [{}]\n", "a:\n  {}\n", "{}"])
def test_a_nasty_scalar_is_refused_or_read_as_helm_reads_it(
    helm: HelmReading, form: str, scalar: str
) -> None:
    require_same(helm, form.replace("{}", scalar))


@BOUNDED
@given(text=yaml_texts.one_value)
def test_any_scalar_is_refused_or_read_as_helm_reads_it(helm: HelmReading, text: str) -> None:
    require_same(helm, text)


@BOUNDED
@given(text=yaml_texts.lines)
def test_any_lines_are_refused_or_read_as_helm_reads_them(helm: HelmReading, text: str) -> None:
    require_same(helm, text)


@BOUNDED
@given(text=yaml_texts.notations() | yaml_texts.mutated())
def test_any_notation_is_refused_or_read_as_helm_reads_it(helm: HelmReading, text: str) -> None:
    require_same(helm, text)


@BOUNDED
@given(content=yaml_texts.data)
def test_what_modelctl_writes_is_read_as_it_was_meant(
    helm: HelmReading, content: dict[str, object]
) -> None:
    try:
        text = yamltext.revise("", content, PATH)
    except ModelctlError:
        return  # it cannot be written within the subset, and is not written
    assert exact(helm(text)) == exact(content)


@pytest.mark.parametrize("text", yaml_texts.SCALARS)
def test_a_text_that_needs_quotes_is_written_with_quotes(helm: HelmReading, text: str) -> None:
    printable = text.isprintable() and "\u00a0" not in text
    try:
        written = yamltext.revise("", {"tag": text}, PATH)
    except ModelctlError:
        assert not printable
        return
    assert helm(written) == {"tag": text}
