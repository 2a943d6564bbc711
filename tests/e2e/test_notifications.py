"""What people and the forge are told, by the real controller with our own settings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import netns, process
from sandbox.component import Component
from sandbox.components import argocd
from sandbox.layout import Layout
from sandbox.probes import Http

from .loop import HERE, Loop, eventually, measured
from .test_promises import broken_settings, settings_of

PORT = 18099
METRICS_PORT = 9001
URL = f"http://127.0.0.1:{PORT}"
SECRET = {
    "slack-token": "xoxb-test",
    "events-url": f"{URL}/events",
    "events-authorization": "Bearer events",
    "forge-url": f"{URL}/repos/acme/models",
    "forge-authorization": "Bearer forge",
}
NAME = "argocd-notifications-cm"
REMEMBERED = "notified.notifications.argoproj.io"


@dataclass(frozen=True)
class Received:
    """What the receiver wrote down."""

    file: Path

    def about(self, path: str, application: str) -> list[dict[str, Any]]:
        """The requests to a path that begins so, about an Application, oldest first."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        entries = [json.loads(line) for line in lines]
        return [e for e in entries if e["path"].startswith(path) and application in json.dumps(e)]


def notifications_controller(layout: Layout) -> Component:
    """The component of Argo CD that `make up` does not start: it would have no receiver."""
    server = argocd.server(layout)
    address = f"{argocd.HOST}:{argocd.REPO_PORT}"
    return Component(
        name="argocd-notifications",
        argv=(
            layout.tool("argocd"),
            *("--argocd-repo-server", address, "--metrics-port", str(METRICS_PORT)),
            *("--logformat", "text"),
        ),
        env={**server.env, "ARGOCD_BINARY_NAME": "argocd-notifications"},
        ready=Http(f"http://{argocd.HOST}:{METRICS_PORT}/metrics"),
        ready_seconds=server.ready_seconds,
    )


@pytest.fixture(scope="module")
def received(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    """A receiver in the cluster's network, and the controller that sends to it."""
    file = tmp_path_factory.mktemp("received") / "requests"
    argv = netns.enter_argv([sys.executable, HERE / "receiver.py", str(PORT), file])
    config = yaml.safe_load((loop.worktree / f"argocd/install/{NAME}.yaml").read_text())
    slack = config["data"]["service.slack"]
    config["data"]["service.slack"] = slack.replace("https://slack.com/api/", f"{URL}/slack/")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argocd-notifications-secret", "namespace": "argocd"},
        "stringData": SECRET,
    }
    apply = ("apply", "--server-side", "--force-conflicts", "--filename=-")
    component = notifications_controller(loop.layout)
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as receiver:
        loop.kubectl(*apply, stdin=yaml.safe_dump_all([config, secret]))
        # What an earlier run told would not be told again.
        forget = f"{REMEMBERED}-"
        loop.kubectl("annotate", "applications", "--all", "--namespace=argocd", forget)
        try:
            process.ensure(loop.layout, component)
            yield Received(file)
        finally:
            process.stop(loop.layout, component.name)
            assert receiver.stdin
            receiver.stdin.close()
            loop.kubectl("delete", "secret", "argocd-notifications-secret", "--namespace=argocd")
            original = (loop.worktree / f"argocd/install/{NAME}.yaml").read_text()
            loop.kubectl(*apply, stdin=original)


def test_every_channel_is_told_of_a_release_that_is_deployed(
    loop: Loop, received: Received
) -> None:
    name = "dev-iris"

    def told() -> tuple[bool, Any]:
        found = [received.about(path, name) for path in ("/slack", "/events", "/repos")]
        return all(found), [len(entries) for entries in found]

    measured("all channels are told", eventually("all channels are told", told, 90), 30)
    event = received.about("/events", name)[-1]
    commit = event["body"]["commit"]
    assert event["authorization"] == "Bearer events"
    assert (event["body"]["sync"], event["body"]["health"]) == ("Synced", "Healthy")
    assert event["body"]["labels"]["ml-model/model"] == "iris"
    assert len(commit) == 40
    status = received.about("/repos", name)[-1]
    assert status["path"] == f"/repos/acme/models/statuses/{commit}"
    assert status["authorization"] == "Bearer forge"
    assert (status["body"]["state"], status["body"]["context"]) == ("success", f"argocd/{name}")
    message = received.about("/slack", name)[-1]
    assert message["path"] == "/slack/chat.postMessage"
    assert message["body"]["channel"] == ["models"]
    assert message["body"]["text"] == [f"{name} is Synced and Healthy"]
    assert json.loads(message["body"]["attachments"][0])[0]["color"] == "#2eb67d"


def test_a_release_with_a_chart_from_the_registry_names_the_commit_not_the_chart(
    loop: Loop, received: Received
) -> None:
    def told() -> tuple[bool, Any]:
        found = received.about("/repos", "staging-iris")
        return bool(found), found

    eventually("the forge is told", told, 90)
    (path,) = {entry["path"] for entry in received.about("/repos", "staging-iris")}
    commit = path.rpartition("/")[2]
    assert loop.gitops.git.line("cat-file", "-t", commit) == "commit"


def test_a_commit_that_does_not_render_is_told_as_broken(loop: Loop, received: Received) -> None:
    with loop.change(lambda: broken_settings(loop), "Broken", settings_of("dev-iris")):

        def told() -> tuple[bool, Any]:
            texts = [e["body"]["text"][0] for e in received.about("/slack", "dev-iris")]
            return any("cannot be rendered" in text for text in texts), texts

        measured("a broken commit is told", eventually("it is told", told, 90), 30)
        event = received.about("/events", "dev-iris")[-1]
        assert "additional properties" in event["body"]["reason"]
        assert received.about("/repos", "dev-iris")[-1]["body"]["state"] == "failure"


def test_the_forge_knows_every_failure_and_every_recovery_at_one_commit(
    loop: Loop, received: Received
) -> None:
    """A commit that does not render is never synced: all statuses are of the one before it."""

    def newest(state: str) -> tuple[bool, Any]:
        found = received.about("/repos", "dev-iris")
        return bool(found) and found[-1]["body"]["state"] == state, found[-1:]

    eventually("it is well", lambda: newest("success"), 90)
    for _ in range(2):
        commit = received.about("/repos", "dev-iris")[-1]["path"]
        with loop.change(lambda: broken_settings(loop), "Broken", settings_of("dev-iris")):
            eventually("the forge is told of the failure", lambda: newest("failure"), 90)
            assert received.about("/repos", "dev-iris")[-1]["path"] == commit
        eventually("the forge is told of the recovery", lambda: newest("success"), 90)


def test_a_release_is_told_once_however_many_commits_others_make(
    loop: Loop, received: Received
) -> None:
    """In one repository with many models, most commits are of another one."""

    def told() -> tuple[bool, int]:
        return (count := len(received.about("/events", "staging-penguins"))) > 0, count

    eventually("it is told", told, 90)
    path = settings_of("dev-iris")
    file = loop.worktree / path

    def comment() -> None:
        file.write_text(file.read_text() + "# nothing\n")

    with loop.change(comment, "A comment", path):
        loop.wait_synced()
    assert told() == (True, 1)
