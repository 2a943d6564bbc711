"""The consumer's settings: what is refused before it connects, and what follows from the model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.consume.brokers import queue_of
from app.consume.settings import QueueSettings
from app.errors import SettingRefusedError
from tests import trained
from tests.app.live import base_environment
from tests.paths import ROOT
from tests.ports import free_port

URL = "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(
    "url", ["", "http://x", "nats://", "redis", "ftp://host", "redis://[", "x://me:secret@host/"]
)
def test_a_url_of_no_broker_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingRefusedError, match="QUEUE_URL") as refused:
        QueueSettings.from_environ({"QUEUE_URL": url})
    assert "nats://" in refused.value.expected
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://host/x", "file://", "amqp://host"])
def test_a_store_that_keeps_no_answers_is_refused(url: str) -> None:
    with pytest.raises(SettingRefusedError, match="REPLY_URL"):
        QueueSettings.from_environ({"QUEUE_URL": URL, "REPLY_URL": url})


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(SettingRefusedError, match="QUEUE_KEY"):
        QueueSettings.from_environ({"QUEUE_URL": URL, "QUEUE_CERT": "/tls/tls.crt"})


def test_names_follow_from_the_model() -> None:
    named = QueueSettings.from_environ({"QUEUE_URL": URL}).named("iris")
    assert (named.name, named.group, named.dead, named.replies) == (
        "iris", "iris", "iris-dead", "iris-replies",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["a.b", "a b", "a>", "ä", "a/b", "x" * 201])
def test_a_name_that_a_broker_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(SettingRefusedError, match="QUEUE_NAME"):
        QueueSettings.from_environ({"QUEUE_URL": URL, "QUEUE_NAME": name}).named("iris")


def test_two_queues_under_one_name_are_refused() -> None:
    given = {"QUEUE_URL": URL, "QUEUE_NAME": "a", "QUEUE_DEAD": "a"}
    with pytest.raises(SettingRefusedError, match="QUEUE_DEAD"):
        QueueSettings.from_environ(given).named("iris")


def ended(**environ: str) -> dict[str, str]:
    """The last line of a consumer that refuses."""
    own = {"MODEL_DIR": str(trained.bundle("iris")), "PORT": str(free_port()), "HOST": "127.0.0.1"}
    process = subprocess.run(
        [sys.executable, "-m", "app.consume"],
        env={**base_environment(), **own, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (process.returncode, process.stderr) == (3, "")
    line: dict[str, str] = json.loads(process.stdout.splitlines()[-1])
    return line


def test_a_refusal_is_the_last_line_and_exit_code_3(tmp_path: Path) -> None:
    assert ended(QUEUE_URL="http://x")["event"] == "setting_refused"
    assert ended(QUEUE_URL=URL, MODEL_DIR=str(tmp_path))["event"] == "bundle_refused"
    missing = tmp_path / "ca.pem"
    for scheme in ("tls", "rediss"):
        found = ended(QUEUE_URL=f"{scheme}://127.0.0.1:1", QUEUE_CA=str(missing))
        assert str(missing) in found["found"]


@pytest.mark.parametrize(
    "rest", ["host:abc", "host/x", "host/0?foo=bar", "me:secret@host:70000", "host:0", "host/0#a"]
)
def test_a_url_that_redis_does_not_take_is_refused(rest: str) -> None:
    settings = QueueSettings.from_environ({"QUEUE_URL": f"redis://{rest}"}).named("iris")
    with pytest.raises(SettingRefusedError, match="number of a database") as refused:
        queue_of(settings)
    assert "secret" not in str(refused.value)
