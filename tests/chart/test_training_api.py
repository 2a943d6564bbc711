"""What the chart renders of trainings a real API server takes, and the Jobs that come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import rendering
from tests.chart import apiserver, jobs, least, trainings

if TYPE_CHECKING:
    from pathlib import Path

# With these the names of Jobs are as long as they may be: by the CronJob, and by KEDA.
LONGEST, RANDOM = "n" * 38, "x7k2p"
GPU = {
    "kueue": {"queue": "gpus"},
    "resources": {"limits": {"nvidia.com/gpu": 1}},
    "tolerations": {"gpu": {"key": "nvidia.com/gpu", "operator": "Exists"}},
    "credentials": {"secretName": "a", "file": "user.creds"},
}


def test_the_api_server_takes_them(tmp_path: Path) -> None:
    values = {"training": {LONGEST: trainings.RIGHT, "asked": {**trainings.QUEUED, **GPU}}}
    found = least.manifests(values, tmp_path)
    wanted = [each for each in found if "ml-model/training" in each["metadata"]["labels"]]
    made = [jobs.scheduled(each) for each in rendering.of_kind(wanted, "CronJob")]
    scaled = rendering.only(wanted, "ScaledJob")
    assert len(f"iris-training-{LONGEST}") == 52
    # Which gives each Job the labels of its ScaledJob.
    labelled = {"labels": scaled["metadata"]["labels"]}
    template = {"metadata": labelled, "spec": scaled["spec"]["jobTargetRef"]}
    made.append(jobs.job(f"{scaled['metadata']['name']}-{RANDOM}", template))
    # KEDA's own kinds have their schema in test_training.py.
    known = [each for each in wanted if "keda.sh" not in each["apiVersion"]]
    with apiserver.running(tmp_path) as server:
        server.kubectl("create", "namespace", "ml-dev")
        answer = server.try_create([*known, *made])
        assert answer.code == 0, answer.stderr
        assert "Warning" not in answer.stderr, answer.stderr
        made[0]["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] = [0]
        assert server.try_create([made[0]]).code
