"""From an aborted Rollout to its pull request: what Argo CD posts is what the workflow takes.

Argo CD's own engine decides and renders, a server on this machine stands for the forge, `act` runs
the workflow with exactly what was posted.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import rendering, standin
from tests.chart.test_triggers import KUBECONFIG, SETTINGS, application, is_triggered
from tests.github.forge import OUTPUTS, Forge

COMMIT = "a" * 40
WHY = (
    'RolloutAborted: Rollout aborted update to revision 2:\n Metric "availability" assessed Failed'
)
NASTY = 'RolloutAborted: $(touch pwned) `touch pwned` "x" \' ; touch pwned {{ .secrets }} \\'


def aborted(message: str = WHY, status: str = "Degraded", **more: Any) -> dict[str, Any]:
    """The Application of a release whose Rollout says so."""
    found = application(health=status, **more)
    found["metadata"]["labels"] = {
        "ml-model/model": "iris",
        "ml-model/environment": "staging",
    }
    found["status"]["resources"] = [
        {"kind": "Service", "name": "iris", "status": "Synced"},
        {
            "group": "argoproj.io",
            "kind": "Rollout",
            "name": "iris",
            "status": "Synced",
            "health": {"status": status, "message": message},
        },
    ]
    return found


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(aborted(), True, id="aborted"),
        pytest.param(aborted("CanaryPauseStep", "Suspended"), False, id="paused"),
        pytest.param(aborted("", "Healthy"), False, id="well"),
        pytest.param(
            aborted("ProgressDeadlineExceeded: ReplicaSet has timed out"), False, id="stuck"
        ),
        pytest.param(application(health="Degraded"), False, id="a Deployment"),
        pytest.param({"kind": "Application", "metadata": {"name": "new"}}, False, id="new"),
    ],
)
def test_an_aborted_rollout_is_told_and_nothing_else(
    content: dict[str, Any], expected: bool, tmp_path: Path
) -> None:
    assert is_triggered(tmp_path, "on-aborted", content) == expected


def test_it_is_told_once_at_one_commit_and_for_models_only() -> None:
    settings = yaml.safe_load(SETTINGS.read_text())["data"]
    (once,) = {
        " ".join(yaml.safe_load(settings[f"trigger.{name}"])[0].get("oncePer", "").split())
        for name in ("on-aborted", "on-degraded")
    }
    assert "syncResult?.revision" in once
    (subscription,) = [
        each
        for each in yaml.safe_load(settings["subscriptions"])
        if "on-aborted" in each["triggers"]
    ]
    assert subscription["selector"] == "ml-model/model"


def test_argo_cd_keeps_the_message_that_the_trigger_reads() -> None:
    parameters = yaml.safe_load((SETTINGS.parent / "argocd-cmd-params-cm.yaml").read_text())
    assert parameters["data"]["controller.resource.health.persist"] == "true"


def posted(folder: Path, template: str, content: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Path and body of what Argo CD's engine posts to the forge."""
    received: list[tuple[str, dict[str, Any]]] = []

    class Handler(standin.Quiet):
        def do_POST(self) -> None:
            received.append((self.path, json.loads(self.asked())))
            self.reply(200)

    (folder / "application.json").write_text(json.dumps(content))
    (folder / "kubeconfig").write_text(KUBECONFIG)
    with standin.serving(Handler) as host:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "argocd-notifications-secret"},
            "stringData": {
                "forge-url": f"http://{host}/repos/acme/models",
                "forge-authorization": "Bearer forge",
            },
        }
        (folder / "secret.yaml").write_text(yaml.safe_dump(secret))
        argv = [
            *(rendering.tool("argocd"), "admin", "notifications", "template", "notify", template),
            *(folder / "application.json", "--recipient", "forge:"),
            *("--config-map", SETTINGS, "--secret", folder / "secret.yaml"),
        ]
        environ = {"KUBECONFIG": str(folder / "kubeconfig"), "HOME": str(folder)}
        subprocess.run(list(map(str, argv)), check=True, capture_output=True, env=environ)
    (found,) = received
    return found


@pytest.mark.parametrize("message", [WHY, NASTY, "RolloutAborted: " + "x" * 9000])
def test_what_is_posted_starts_one_rollback_with_the_bots_token(
    tmp_path: Path, message: str
) -> None:
    path, body = posted(tmp_path, "aborted", aborted(message))
    assert path == "/repos/acme/models/actions/workflows/rollback.yml/dispatches"
    assert body["ref"] == "main"
    forge = Forge.make(tmp_path / "forge")
    run = forge.run(
        "workflow_dispatch", "rollback.yml", {**body, "ref": f"refs/heads/{body['ref']}"}
    )
    assert list(run.jobs.values()) == ["success"], run.log
    call = run.one("modelctl")
    assert call.arguments == (
        *("rollback", "iris", "--env", "staging"),
        *("--reason", " ".join(message.split())[:300], "--pull-request"),
        *("--aborted", "--commit", COMMIT),
    )
    assert call.environ["GH_TOKEN"] == OUTPUTS["actions/create-github-app-token"]["token"]
    assert run.words("touch") == []


def test_a_request_that_nobody_watches_and_cannot_be_opened_is_told(tmp_path: Path) -> None:
    forge = Forge.make(tmp_path)
    forge.secrets["NOTIFY_WEBHOOK"] = "https://chat.example"
    forge.failing = ["modelctl rollback", "curl"]
    inputs = {"model": "iris", "environment": "staging", "reason": "slow"}
    by_hand = forge.dispatch("rollback.yml", **inputs)
    assert by_hand.jobs == {"rollback": "failure"}
    told = forge.dispatch("rollback.yml", **inputs, aborted=COMMIT)
    assert told.jobs["rollback"] == "failure"
    assert "post" in told.jobs


def test_a_release_of_two_sources_names_the_commit_and_not_the_chart(tmp_path: Path) -> None:
    content = aborted(syncResult={"revisions": [COMMIT, "1.2.3"]})
    assert posted(tmp_path, "aborted", content)[1]["inputs"]["aborted"] == COMMIT


def test_the_status_of_a_degraded_release_says_why(tmp_path: Path) -> None:
    _, body = posted(tmp_path, "report", aborted())
    assert body["state"] == "failure"
    assert body["description"].startswith("RolloutAborted: Rollout aborted update to revision 2")
