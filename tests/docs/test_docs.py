"""What the documents name exists: links, anchors, make targets, modelctl commands, paths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modelctl.cli import COMMANDS
from tests.docs.pages import HAND_WRITTEN, PAGES, TRACKED, exists, named_paths
from tests.paths import ROOT

# Wider than a review shows side by side, narrower than a screen.
MAX_LINE = 120
# About two screens; a longer page begins with a table of contents.
MAX_LINES = 100
# Files that quote paths of a repository of their own, or of somebody else's.
QUOTING = ("tests/docs/", "tests/sandbox/", "tests/modelctl/", "tools/")


def each(pages: list[Path]) -> pytest.MarkDecorator:
    """Once for each page, by its name."""
    return pytest.mark.parametrize("page", pages, ids=[str(p.relative_to(ROOT)) for p in pages])


page = each(PAGES)
hand_written = each(HAND_WRITTEN)
TARGETS = set(re.findall(r"^([a-z][a-z-]*):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def code(text: str) -> str:
    """Everything in a page that is set as code."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]+`", "", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#\s]+)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by, as GitHub forms it."""
    headings = re.findall(r"^#+ (.+)$", prose(page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@page
def test_every_anchor_is_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [(link, anchor) for link, anchor in links if "://" not in link]
    targets = [(page.parent / link if link else page, anchor) for link, anchor in local]
    assert [anchor for target, anchor in targets if anchor not in anchors(target)] == []


@hand_written
def test_every_path_in_it_exists(page: Path) -> None:
    # A changelog tells what was there once.
    if page.name not in ("CHANGELOG.md", "UPGRADING.md"):
        named = named_paths(page.read_text(encoding="utf-8"))
        assert [path for path in sorted(named) if not exists(path)] == []


def test_every_page_that_code_names_exists() -> None:
    """Comments, values and messages that send a reader to a page of docs/."""
    missing = []
    for name in TRACKED:
        path = ROOT / name
        if path.suffix in (".py", ".yaml", ".yml", ".tpl") and not name.startswith(QUOTING):
            pages = re.findall(r"(?<![\w./-])docs/[\w/-]+\.md", path.read_text(encoding="utf-8"))
            missing += [(name, page) for page in pages if not (ROOT / page).exists()]
    assert missing == []


@hand_written
def test_no_line_of_prose_is_too_long(page: Path) -> None:
    lines = prose(page.read_text(encoding="utf-8")).splitlines()
    long = [
        line for line in lines if len(line) > MAX_LINE and not line.lstrip().startswith(("|", "!["))
    ]
    assert long == []


@hand_written
def test_a_long_page_begins_with_its_contents(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if text.count("\n") > MAX_LINES and page.name != "CHANGELOG.md":
        assert re.search(r"\]\(#", text.partition("\n## ")[0]), "no table of contents"


# A form begins with a question, not with a title.
@each([page for page in HAND_WRITTEN if page.parent.name != ".github"])
def test_a_page_has_one_title_and_headings_in_sentence_case(page: Path) -> None:
    text = prose(page.read_text(encoding="utf-8"))
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        assert not heading.endswith((".", ":"))
        assert re.match(r"[A-Z0-9`\[]|argocd|tools|ml-model|modelctl", heading), heading


@page
def test_every_make_target_exists(page: Path) -> None:
    named = set(re.findall(r"(?<![\w-])make ([a-z][a-z-]+)", code(page.read_text())))
    assert named - TARGETS == set()


@page
def test_every_modelctl_command_exists(page: Path) -> None:
    named = set(re.findall(r"modelctl ([a-z][a-z-]+)", code(page.read_text())))
    assert named - set(COMMANDS) == set()


def test_the_readme_fits_a_screen_and_begins_with_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 65
    first = text.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert [line.partition("#")[0].strip() for line in first] == ["make up", "make test"]


def test_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE))
    assert phony == TARGETS
