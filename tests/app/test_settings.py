"""Settings come from the environment once, and a value that cannot be used stops the start."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from app.errors import SettingRefusedError
from app.settings import Settings, reference
from tests.paths import ROOT


def test_defaults_hold_without_an_environment() -> None:
    settings = Settings.from_environ({})
    assert (settings.port, settings.max_batch_rows, settings.worker_count) == (8080, 100, 1)


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_environ({"PORT": "", "WORKERS": " "}) == Settings()


@pytest.mark.parametrize(
    ("environ", "workers"),
    [
        pytest.param({"WORKERS": "3", "CPU_LIMIT": "8"}, 3, id="explicit"),
        pytest.param({"CPU_LIMIT": "1.5", "CPU_REQUEST": "4"}, 2, id="limit-rounded-up"),
        pytest.param({"CPU_REQUEST": "0.05"}, 1, id="request-rounded-up"),
        pytest.param({"CPU_LIMIT": "0", "CPU_REQUEST": "2"}, 2, id="no-limit"),
        pytest.param({}, 1, id="nothing-known"),
    ],
)
def test_workers_follow_the_container_not_the_node(environ: dict[str, str], workers: int) -> None:
    assert Settings.from_environ(environ).worker_count == workers


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "an integer >= 0 <= 65535"),
        ("PORT", "65536", "an integer >= 0 <= 65535"),
        ("MAX_BATCH_ROWS", "0", "an integer >= 1 <= 1000000"),
        ("LOG_SAMPLE_RATIO", "nan", "a number >= 0 <= 1"),
        ("LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("MODEL_DIGEST", "sha256:xyz", "sha256:<64 hex digits>"),
        ("MODEL_DIGEST", "sha256:" + "g" * 64, "sha256:<64 hex digits>"),
    ],
)
def test_a_malformed_value_is_refused_with_its_name(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingRefusedError) as refused:
        Settings.from_environ({name: value})
    assert refused.value.what == f"environment variable {name} is invalid"
    assert refused.value.expected == expected
    assert refused.value.found == repr(value)


def test_the_reference_in_the_docs_is_current() -> None:
    page = ROOT / "docs" / "reference" / "settings.md"
    assert page.read_text(encoding="utf-8") == reference(), (
        "run `python -m app.settings > docs/reference/settings.md`"
    )


def test_every_variable_that_the_chart_sets_exists() -> None:
    helpers = ROOT / "charts" / "ml-model" / "templates" / "_helpers.tpl"
    names = set(re.findall(r"^([A-Z][A-Z_]+): ", helpers.read_text("utf-8"), re.MULTILINE))
    ours = {entry.metadata["name"] for entry in fields(Settings)}
    assert "MODEL_DIGEST" in names
    assert names <= ours | {"ORT_DISABLE_TELEMETRY"}
