"""A batch in the pods of an Indexed Job: what kills its pods changes no byte of the results.

The chart's CronJob, run on request, predicts twenty parts from a folder of the node while pods are
evicted and deleted at random. The reference is the same plan run by `modelctl batch run` outside
the cluster, undisturbed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.model.bundle import Bundle
from tests.paths import ROOT

from . import pushed
from .ad_hoc import AdHoc, AdHocReleases, Values, applied
from .batching import (
    DEADLINE_SECONDS,
    disturb,
    job_state,
    kill,
    pods_of,
    start,
    wait_complete,
)
from .claims import mounted, volume
from .loop import eventually, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS, ROWS, PODS = 20, 250_000, 4
# At least so many pods are killed, and of each index no more: the run has to end.
KILLS = (3, 4)
USER = 10001
DATA = "batch-data"
BUNDLES = "batch-bundles"
BATCH: Values = {
    "inputs": {"rows": "/data/in"},
    "out": "/data/scored",
    "passthrough": ["id"],
    "shardRows": ROWS,
    "pods": PODS,
    # A deleted pod counts as a failure of its index, an evicted one does not; one that waited for
    # the plan in vain counts too.
    "backoffLimitPerIndex": 2 * KILLS[1],
    "activeDeadlineSeconds": DEADLINE_SECONDS,
    "planTimeoutSeconds": 120,
    "ttlSecondsAfterFinished": 3600,
    "resources": {
        "requests": {"cpu": "100m", "memory": "512Mi"},
        "limits": {"memory": "512Mi"},
    },
    "volumes": {
        "data": {
            "source": {"persistentVolumeClaim": {"claimName": DATA}},
            "mountPath": "/data",
            "readOnly": False,
        }
    },
}


@pytest.fixture(scope="module")
def disk(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the node with rows to predict, which the pods' user may write to."""
    folder = tmp_path_factory.mktemp("rows")
    for name in ("in", "scored"):
        (folder / name).mkdir()
    write_rows(bundle, folder / "in" / "rows.parquet")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    return folder


def write_rows(bundle: Bundle, path: Path) -> None:
    """Five million rows around those of the bundle's sample, one row group for each part.

    Every thousandth row lacks a value: it has to end among the rejected.
    """
    rows = np.array(json.loads(bundle.read("sample.json"))["rows"], dtype=float)
    names = [feature["name"] for feature in bundle.manifest["inputs"]]
    chance = np.random.default_rng(7)
    total = PARTS * ROWS
    values = rows[chance.integers(len(rows), size=total)]
    values = values + chance.integers(0, 10, size=values.shape) / 10
    columns: dict[str, Any] = {name: values[:, at] for at, name in enumerate(names)}
    missing = np.arange(total) % 1000 == 999
    columns[names[0]] = pa.array(columns[names[0]], mask=missing)
    table = pa.table({**columns, "id": np.arange(total)})
    pq.write_table(table, path, row_group_size=ROWS)


@pytest.fixture(scope="module")
def release(
    ad_hoc: AdHocReleases,
    bundle: Bundle,
    disk: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AdHoc]:
    """A release with a batch on request, whose image has no bundle: both mount it from a claim."""
    image = pushed.variant(ad_hoc.loop, tmp_path_factory.mktemp("batch"), "runtime", "batch")
    own = image.values
    values: Values = {
        "model": mounted(bundle, BUNDLES),
        "batch": {"again": {**BATCH, "image": own}},
    }
    volumes = [
        *volume(BUNDLES, bundle.path, "ReadOnlyMany"),
        *volume(DATA, disk, "ReadWriteMany"),
    ]
    with (
        applied(ad_hoc.loop, volumes),
        ad_hoc.installed("batches", values) as release,
    ):
        yield release


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a run as bytes, but the lock that the command line keeps."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def run_locally(bundle: Bundle, disk: Path, run: str) -> Path:
    """The same plan in a folder beside, by the command line and undisturbed."""
    folder = disk / "scored" / f"{run}-local"
    folder.mkdir()
    (folder / "plan.json").write_bytes((disk / "scored" / run / "plan.json").read_bytes())
    argv = [sys.executable, "-m", "modelctl", "batch", "run", folder, "--bundle", bundle.path]
    subprocess.run([str(part) for part in argv], check=True, cwd=ROOT)
    return folder


def test_pods_that_are_killed_at_random_change_no_byte_of_the_results(
    release: AdHoc, bundle: Bundle, disk: Path
) -> None:
    started = time.monotonic()
    start(release, "disturbed")
    killed = disturb(release, "disturbed", KILLS[1])
    wait_complete(release, "disturbed")
    measured(f"twenty parts, {killed} pods killed", time.monotonic() - started, 200)
    assert killed >= KILLS[0], "the run was over before it was disturbed: give it more rows"
    found = content(disk / "scored" / "disturbed")
    assert found == content(run_locally(bundle, disk, "disturbed"))
    parts = [name for name in found if name.startswith("part-")]
    assert len(parts) == PARTS
    assert "_SUCCESS.json" in found
    # By another reader: every row of the input is there once.
    written = pa.concat_tables(
        pq.read_table(disk / "scored" / "disturbed" / folder, columns=["id"])
        for folder in (*parts, *(name for name in found if name.startswith("rejected/part-")))
    )
    assert np.array_equal(np.sort(written["id"].to_numpy()), np.arange(PARTS * ROWS))


def test_evictions_cost_no_retry(release: AdHoc) -> None:
    """Of what has a DisruptionTarget nothing is counted; the same pods deleted would be."""
    start(release, "evicted")

    victims: list[str] = []

    def at_work() -> tuple[bool, Any]:
        """Its first line says that a pod has a plan; hardly any part is done by then."""
        for pod in pods_of(release, "evicted"):
            name = pod["metadata"]["name"]
            if "plan_" in release.kubectl("logs", name, check=False):
                victims.append(name)
        return bool(victims), victims

    eventually("a pod of the run is at work", at_work, 120)
    for victim in victims:
        kill(release, victim, by_eviction=True)
    wait_complete(release, "evicted")
    label = "batch.kubernetes.io/job-index"
    notes = [pod["metadata"]["annotations"] for pod in pods_of(release, "evicted")]
    assert victims
    assert {each[f"{label}-failure-count"] for each in notes} == {"0"}
    assert "1" in {each.get(f"{label}-ignored-failure-count") for each in notes}


def test_what_is_refused_ends_the_run_without_another_try(release: AdHoc, disk: Path) -> None:
    """Exit code 3: the first pod is not tried again, and the others do not wait for its plan."""
    release.upgrade({"batch": {"again": {"passthrough": ["no-such-column"]}}})
    start(release, "refused")

    def probe() -> tuple[bool, Any]:
        true, status = job_state(release, "refused")
        return "Failed" in true, status

    seconds = eventually("the refused run has failed", probe, 120)
    measured("a refused run ends", seconds, 40)
    status = job_state(release, "refused")[1]
    (failed,) = (each for each in status["conditions"] if each["type"] == "Failed")
    assert failed["reason"] == "MaxFailedIndexesExceeded"
    assert status["failedIndexes"] == "0"
    codes = [
        state["state"]["terminated"]["exitCode"]
        for pod in pods_of(release, "refused")
        for state in pod["status"].get("containerStatuses", [])
        if "terminated" in state["state"]
    ]
    assert 3 in codes
    assert "_SUCCESS.json" not in content(disk / "scored" / "refused")


def test_the_service_gets_no_pod_of_a_batch(release: AdHoc) -> None:
    """Its Service leads to the pods of the Deployment alone, while a run was or is there."""
    slices = release.get(
        "endpointslices", f"--selector=kubernetes.io/service-name={release.model}"
    )["items"]
    targets = {
        endpoint["targetRef"]["name"] for each in slices for endpoint in each["endpoints"] or []
    }
    assert targets == set(release.pods())
