"""Runs of a batch on the sandbox: start one, look at its pods, kill them. Asserts no result."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from .ad_hoc import AdHoc
from .loop import eventually

if TYPE_CHECKING:
    pass

DEADLINE_SECONDS = 600
INDEX = "batch.kubernetes.io/job-completion-index"


def start(release: AdHoc, name: str) -> None:
    """Start a run as a user does."""
    release.kubectl("create", "job", f"--from=cronjob/{release.model}-batch-again", name)


def job_state(release: AdHoc, name: str) -> tuple[set[str], Any]:
    """The conditions of a run that are true, and its status."""
    status = release.get("job", name)["status"]
    true = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
    return true, status


def pods_of(release: AdHoc, run: str) -> list[dict[str, Any]]:
    """The pods of a run, finished ones too."""
    items: list[dict[str, Any]] = release.get(
        "pods", f"--selector=batch.kubernetes.io/job-name={run}"
    )["items"]
    return items


def kill(release: AdHoc, pod: str, *, by_eviction: bool) -> None:
    """Ask for an eviction, as a drain does, or delete the pod at once."""
    if not by_eviction:
        release.kubectl("delete", "pod", pod, "--grace-period=1", "--wait=false", check=False)
        return
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": release.namespace},
    }
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    release.kubectl("create", f"--raw={path}", "--filename=-", stdin=json.dumps(body), check=False)


def disturb(release: AdHoc, run: str, most: int) -> int:
    """Kill running pods of a run at random until it has ended; returns how many.

    At most `most` of each index: it waits 10 s for its next pod, and each time twice as long, so
    that the seventh of one index would come after the end of the run.
    """
    chance = random.Random(7)  # noqa: S311 - no secret
    killed: set[str] = set()
    times: Counter[str] = Counter()
    give_up = time.monotonic() + DEADLINE_SECONDS
    while not {"Complete", "Failed"} & job_state(release, run)[0]:
        assert time.monotonic() < give_up, job_state(release, run)
        running = [
            (pod["metadata"]["name"], index)
            for pod in pods_of(release, run)
            if pod["status"]["phase"] == "Running"
            and pod["metadata"]["name"] not in killed
            and times[index := pod["metadata"]["annotations"][INDEX]] < most
        ]
        if running:
            victim, index = chance.choice(running)
            kill(release, victim, by_eviction=chance.random() < 0.5)
            killed.add(victim)
            times[index] += 1
        # Not until something happens: pods are to die at any moment of their work.
        time.sleep(chance.uniform(0.5, 1.5))
    return len(killed)


def wait_complete(release: AdHoc, run: str) -> None:
    """Wait until a run has succeeded; a failed one is named with the last lines of its pods."""

    def probe() -> tuple[bool, Any]:
        true, status = job_state(release, run)
        if "Failed" in true:
            logs = release.kubectl("logs", f"--selector=job-name={run}", "--tail=2", check=False)
            pytest.fail(f"{status}\n{logs}")
        return "Complete" in true, status

    eventually(f"{run} complete", probe, DEADLINE_SECONDS)
