"""`modelctl profile`: its figures against /proc and the service's log, its advice against Helm."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from modelctl.load.answers import Answers
from modelctl.load.memory import Memory, charged
from modelctl.load.profile import PREDICT, Profile
from modelctl.load.service import started
from tests import rendering, trained

MINIMAL = rendering.CHART / "tests" / "values" / "minimal.yaml"


def profiled(*options: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["profile", *options, "--output", "json"])
    if result.exception is not None:
        raise result.exception
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_what_is_printed_is_a_capacity_file(tmp_path: Path) -> None:
    command = ["profile", str(trained.bundle("iris")), "--rate", "50", "--seconds", "1"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    head, _, capacity = result.stdout.partition("# capacity.yaml, one pod for 50 requests/s")
    assert head.startswith("iris 1.0.0, onnx engine, ready in ")
    assert max(map(len, result.stdout.splitlines())) <= 80
    values = yaml.safe_load(capacity.partition("\n")[2])
    assert values["memoryBudget"]["baseMi"] > 30
    (tmp_path / "capacity.yaml").write_text(yaml.safe_dump(values))
    # A logistic regression on the onnx engine.
    assert 0.001 <= values["cache"]["modelMs"] < 1
    files = rendering.values(MINIMAL, tmp_path / "capacity.yaml")
    cache = ["--set", "cache.enabled=true,cache.redis.url=redis://redis.cache"]
    refused = rendering.try_template("helm4", rendering.CHART, "iris", "ml-dev", *files, *cache)
    assert "ERROR: the model is faster than the cache" in refused.stderr
    deployment = rendering.only(
        rendering.template("helm4", rendering.CHART, "iris", "ml-dev", *files), "Deployment"
    )
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"] == values["resources"]["requests"]


@pytest.mark.parametrize("rate", [1, 100, 3000, 40_000])
@pytest.mark.parametrize("memory", [Memory(5, 0), Memory(80, 10), Memory(900, 200)])
@pytest.mark.parametrize("cpu", [5e-5, 1e-3, 5e-2])
def test_the_chart_takes_the_advice(
    rate: float, memory: Memory, cpu: float, tmp_path: Path
) -> None:
    found = Profile("m 1", "onnx", 1, 1.0, Answers(rate, 1), cpu, {PREDICT: cpu}, memory)
    (tmp_path / "capacity.yaml").write_text(yaml.safe_dump(found.capacity()))
    files = rendering.values(MINIMAL, tmp_path / "capacity.yaml")
    result = rendering.try_template("helm4", rendering.CHART, "iris", "ml-dev", *files)
    assert result.code == 0, result.stderr


def test_cpu_time_is_what_the_kernel_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same service, by /proc, over requests that another client sends."""
    with started(trained.bundle("iris"), 1) as service, httpx.Client() as client:
        row = {"features": [5.1, 3.5, 1.4, 0.2]}
        pids = service.processes()
        before = sum(map(spent, pids))
        for _ in range(400):
            assert client.post(f"{service.url}/predict", json=row).status_code == 200
        kernel = (sum(map(spent, pids)) - before) / 400
    monkeypatch.delenv("WORKERS", raising=False)
    options = ("--rate", "200", "--seconds", "2", "--no-memory")
    document = profiled(str(trained.bundle("iris")), *options)
    assert document["memory_mib"] is None
    assert 0.3 < document["cpu_us"] / 1e6 / kernel < 3
    assert set(document["phases_us"]) == {
        "read and check the rows",
        "predict",
        "write the answer",
    }
    assert all(each > 0 for each in document["phases_us"].values())


def spent(pid: int) -> float:
    """CPU seconds of a process, proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_memory_is_that_of_all_processes() -> None:
    """Shared pages once: not less than the largest process has, not more than all of them have."""
    with started(trained.bundle("iris"), 3) as service:
        deadline = time.monotonic() + 60
        while len(pids := service.processes()) < 4:
            assert time.monotonic() < deadline, pids
            time.sleep(0.01)
        resident = [
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for pid in pids
        ]
        found = charged(pids) * 2**20
    assert max(resident) * 0.8 < found < sum(resident)


def test_a_bundle_that_cannot_be_served_says_why(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ModelctlError):
        profiled(str(tmp_path))


def test_a_service_that_ends_at_once_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_BATCH_ROWS", "many")
    with pytest.raises(ModelctlError, match="MAX_BATCH_ROWS"):
        profiled(str(trained.bundle("iris")))
