"""`modelctl diff --markdown` fits into a comment of a pull request, whatever a change does."""

from __future__ import annotations

from modelctl.rendering import markdown
from modelctl.rendering.diff import Change

FORGE_LIMIT = 65_536


def change(lines: int) -> Change:
    return Change("changed", "Deployment/iris", "+a line of a manifest\n" * lines)


def test_what_fits_is_shown_whole() -> None:
    text = markdown.comment({"dev/iris": [change(2)], "dev/churn": [change(1)]})
    assert text.count("<details>") == 2
    assert text.count("+a line of a manifest") == 3
    assert "more changed" not in text


def test_a_change_of_everything_still_fits_and_names_the_rest() -> None:
    found = {f"production/model-{number}": [change(100)] for number in range(300)}
    text = markdown.comment(found)
    assert len(text) < FORGE_LIMIT
    shown = text.count("<details>")
    assert shown > 20
    omitted = f"{300 - shown} more changed releases, omitted for size: `production/model-{shown}`"
    assert omitted in text


def test_one_release_that_is_too_long_hides_no_other() -> None:
    text = markdown.comment({"dev/long": [change(9_000)], "dev/short": [change(1)]})
    assert "<b>dev/short</b>" in text
    assert "1 more changed release, omitted for size: `dev/long` (1 object)" in text
