"""A download that cannot be meant is refused before anything is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.fetch.settings import reference
from tests.fetch.conftest import fetch
from tests.paths import ROOT

GOOD = {"MODEL_URL": "https://127.0.0.1:1/iris", "MODEL_DIGEST": "sha256:" + "a" * 64}

WRONG = {
    "no-url": ({"MODEL_URL": ""}, "environment variable MODEL_URL cannot be used"),
    "no-digest": ({"MODEL_DIGEST": ""}, "environment variable MODEL_DIGEST cannot be used"),
    "short-digest": ({"MODEL_DIGEST": "sha256:a"}, "variable MODEL_DIGEST cannot be used"),
    "scheme": ({"MODEL_URL": "ftp://host/x"}, "the URL of the bundle cannot be used"),
    "no-bucket": ({"MODEL_URL": "s3:///iris"}, "the URL of the bundle cannot be used"),
    "password": ({"MODEL_URL": "https://me:hunter2@host/x"}, "holds more than a place"),
    "signed": ({"MODEL_URL": "https://host/x?sig=hunter2"}, "holds more than a place"),
    "plain": ({"MODEL_URL": "http://127.0.0.1:1/x"}, "the store would be asked without TLS"),
    "plain-endpoint": (
        {"MODEL_URL": "s3://b/x", "FETCH_ENDPOINT": "http://127.0.0.1:1"},
        "the store would be asked without TLS",
    ),
    "two-addresses": ({"FETCH_ENDPOINT": "https://127.0.0.1:1"}, "an http URL has no other"),
    "no-authority": ({"FETCH_CA_FILE": "/nowhere"}, "the certificates in /nowhere cannot be read"),
    "no-account": ({"MODEL_URL": "az://b/x"}, "the store of az://b/x cannot be opened"),
    "read-only": ({"MODEL_DIR": "/proc/model"}, "cannot write /proc/model"),
}


@pytest.mark.parametrize(("environ", "what"), WRONG.values(), ids=WRONG)
def test_wrong_setting_is_one_line_and_exit_code_3(
    environ: dict[str, str], what: str, tmp_path: Path
) -> None:
    said = fetch({**GOOD, "MODEL_DIR": str(tmp_path / "m"), **environ})
    assert said.code == 3
    assert what in said.last["what"]
    assert all(said.last[key] for key in ("expected", "found", "fix"))
    assert "hunter2" not in str(said.lines)


def test_reference_is_the_one_that_the_settings_describe() -> None:
    page = ROOT / "docs" / "reference" / "fetch.md"
    assert page.read_text(encoding="utf-8") == reference(), (
        "stale: run `python -m app.fetch.settings > docs/reference/fetch.md`"
    )
