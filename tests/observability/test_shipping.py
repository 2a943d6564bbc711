"""The examples in deploy/logging read real lines: their parsers and fields, without Fluent Bit.

Debian does not package Fluent Bit, so its own program does not run here. Its parser is JSON and
strptime, and these run here in Python on lines of a real service.
"""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest

from modelctl.docs.log_fields import FIELDS
from modelctl.docs.log_schema import EVENTS
from tests.app import live
from tests.observability import loglines
from tests.paths import ROOT

FOLDER = ROOT / "deploy/logging"
SHIPPERS = sorted(FOLDER.glob("fluent-bit-*.conf"))
shipper = pytest.mark.parametrize("path", SHIPPERS, ids=[path.stem for path in SHIPPERS])
# JSON types -> those of an index.
KINDS = {"integer": {"integer", "long", "short"}, "number": {"float"}, "string": {"date", "text"}}


def sections(path: Path) -> list[tuple[str, dict[str, str]]]:
    """The sections of a configuration of Fluent Bit; later lines of a name win."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in path.read_text().splitlines():
        text = line.strip()
        if header := re.fullmatch(r"\[(\w+)\]", text):
            found.append((header[1], {}))
        elif text and not text.startswith("#"):
            name, _, value = text.partition(" ")
            found[-1][1][name.lower()] = value.strip()
    return found


PARSERS = {entry["name"]: entry for _, entry in sections(FOLDER / "parsers.conf")}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Real lines: a worker that began, a prediction, a rejection."""
    service = live.shared("iris")
    service.client.post("/predict", json={"features": [5.1, 3.5, 1.4, 0.2]})
    service.client.post("/predict", content="{")
    written = service.log().rpartition("\n")[0].splitlines()
    events = {json.loads(line)["event"] for line in written}
    assert events >= {"model_loaded", "prediction_completed", "request_rejected"}
    return written


def moment(text: str, parser: dict[str, str]) -> datetime.datetime:
    """The time as Fluent Bit reads it; %L is its word for a fraction of a second."""
    form = parser["time_format"].replace("%L", "%f")
    return datetime.datetime.strptime(text, form)


def test_the_json_parser_reads_every_line_and_its_time(lines: list[str]) -> None:
    parser = PARSERS["ml-model"]
    assert parser["format"] == "json"
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    for line in lines:
        found = json.loads(line)
        read = moment(found[parser["time_key"]], parser)
        assert abs(now - read) < datetime.timedelta(days=1)
        # To the millisecond: lines of one second keep their order.
        assert found["timestamp"].endswith(f"{read.microsecond // 1000:03d}Z")


@shipper
def test_a_shipper_asks_for_parsers_that_are_there(path: Path) -> None:
    wanted = {entry["parser"] for kind, entry in sections(path) if "parser" in entry}
    assert wanted == {"ml-model"} <= set(PARSERS)
    (service,) = (entry for kind, entry in sections(path) if kind == "SERVICE")
    assert (FOLDER / service["parsers_file"]).is_file()


@shipper
def test_a_shipper_reads_the_models_containers_only(path: Path) -> None:
    (tail,) = (entry for kind, entry in sections(path) if kind == "INPUT")
    pattern = re.compile(re.escape(tail["path"]).replace(r"\*", ".*"))
    assert pattern.fullmatch("/var/log/containers/iris-7c9d4b5f6-h8x2k_ml-dev_model-0123abcd.log")
    assert not pattern.fullmatch("/var/log/containers/coredns-1_kube-system_coredns-0123.log")


def test_labels_of_loki_have_few_values() -> None:
    (output,) = (
        entry for kind, entry in sections(FOLDER / "fluent-bit-loki.conf") if kind == "OUTPUT"
    )
    keys = {key.strip() for key in output["label_keys"].split(",")}
    ours = {key.removeprefix("$") for key in keys if "kubernetes" not in key}
    assert ours == {"level", "event"} <= set(FIELDS)


def test_secrets_come_from_the_environment() -> None:
    for path in SHIPPERS:
        for _, entry in sections(path):
            for name, value in entry.items():
                if "passw" in name or "user" in name:
                    assert value.startswith("${"), f"{path.name}: {name}"


def test_the_index_has_a_type_for_every_number_and_time() -> None:
    template: dict[str, Any] = json.loads((FOLDER / "opensearch-template.json").read_text())
    typed = {k: v["type"] for k, v in template["template"]["mappings"]["properties"].items()}
    assert set(typed) - {"@timestamp"} <= set(FIELDS)
    for name, field in FIELDS.items():
        if field.get("type") in ("integer", "number"):
            assert typed[name] in KINDS[field["type"]], name
    assert {event.name for event in EVENTS} == set(loglines.EVENTS)
