"""The checked-in JSON Schema of a manifest, read by another validator than the service's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests import trained
from tests.paths import ROOT

SCHEMA = json.loads((ROOT / "docs/reference/manifest.schema.json").read_text(encoding="utf-8"))


def manifest_of(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((trained.bundle(name) / "manifest.json").read_bytes())
    return document


@pytest.mark.parametrize("name", trained.NAMES)
def test_real_manifest_is_valid(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert list(Draft202012Validator(SCHEMA).iter_errors(manifest_of(name))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a/b"}, {"name": "a\n"}, {"version": ""}, {"inputs": []}, {"inputs": [{}]},
        {"output": {"kind": "ranker"}}, {"files": {"a": {"sha256": "a", "bytes": 1}}},
        {"schema_version": 3}, {"environment": None}, {"reference": [{"name": "a", "ratios": [2]}]},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_other_document_is_not(change: dict[str, Any]) -> None:
    assert list(Draft202012Validator(SCHEMA).iter_errors(manifest_of("iris") | change))
