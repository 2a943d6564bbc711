"""The container's command as a real process: start, refusals, metrics, log, both engines.

Load, slow clients, signals and silence: robustness/.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.model.bundle import canonical, digest_of
from tests import trained
from tests.app.live import DEADLINE_SECONDS, LiveService, run_to_end
from tests.app.traffic import Load
from tests.paths import ROOT
from tests.ports import free_port

Start = Callable[..., LiveService]
# A value that no time, size or number of ours in a log line looks like.
BODY = {"features": [5.1234567, 3.5, 1.4, 0.2]}


def test_metrics_are_summed_over_workers(start: Start) -> None:
    service = start(trained.bundle("iris"), WORKERS="2")

    def answering() -> set[int]:
        return {line["pid"] for line in service.events("prediction_completed")}

    with Load(service.port, 8) as load:
        service.wait_until("both workers at work", lambda: len(answering()) == 2)
    assert load.failures == []
    count = len(load.answers)
    # A worker tells the others what it has predicted once a second.
    service.wait_until("settled", lambda: service.metric("ml_batch_rows_sum") == count)
    text = service.client.get("/metrics").text
    model = 'model="iris",version="1.0.0"'
    assert f'ml_requests_total{{route="/predict",code="200",{model}}} {count}' in text
    assert f'ml_request_duration_seconds_count{{route="/predict"}} {count}' in text
    assert f'ml_predictions_total{{prediction="setosa"}} {count}' in text
    digest = service.client.get("/model/info").json()["digest"]
    info = f'ml_model_info{{name="iris",version="1.0.0",digest="{digest}",engine="onnx"}} 1'
    assert info in text


def test_a_limit_below_the_sample_does_not_stop_the_start(start: Start) -> None:
    service = start(trained.bundle("iris"), MAX_BATCH_ROWS="1")
    assert service.client.post("/predict", json=BODY).status_code == 200
    two = {"instances": [BODY["features"]] * 2}
    assert service.client.post("/predict/batch", json=two).status_code == 422


def test_metrics_move_to_their_own_port(start: Start) -> None:
    port = free_port()
    service = start(trained.bundle("iris"), METRICS_PORT=str(port))
    assert service.client.get("/metrics").status_code == 404
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    assert "ml_model_info" in answer.text
    assert httpx.get(f"http://127.0.0.1:{port}/model/info").status_code == 404


def test_the_log_holds_one_line_per_prediction_without_its_values(start: Start) -> None:
    started = time.monotonic()
    service = start(trained.bundle("iris"))
    elapsed = time.monotonic() - started
    service.client.post("/predict", json=BODY, headers={"X-Request-ID": "r-1"})
    (loaded,) = service.events("model_loaded")
    (line,) = service.events("prediction_completed")
    assert loaded["model_digest"] == line["model_digest"]
    # `make bench` holds it to a second on a quiet machine.
    assert 0 < loaded["seconds"] <= elapsed
    assert (line["request_id"], line["prediction"], line["rows"]) == ("r-1", ["setosa"], 1)
    assert len(line["input_sha256"]) == 64
    assert "5.1234567" not in service.log()


def refusal(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The one line of a service that refused to start."""
    assert done.returncode == 3
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    found: dict[str, str] = json.loads(line)
    assert found["event"] == "bundle_refused"
    assert found["fix"]
    return found


def test_a_wrong_digest_ends_in_one_refusal_line_and_code_3(tmp_path: Path) -> None:
    wrong = "sha256:" + "0" * 64
    environ = {"MODEL_DIR": str(trained.bundle("iris")), "MODEL_DIGEST": wrong}
    found = refusal(run_to_end({**environ, "TMPDIR": str(tmp_path)}))
    assert found["expected"] == wrong
    assert found["found"].startswith("sha256:")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_ends_in_one_refusal_line_and_code_3(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.bundle("iris"), tmp_path / "bundle"))
    with (folder / "model.onnx").open("r+b") as stream:
        stream.write(b"\0")
    found = refusal(run_to_end({"MODEL_DIR": str(folder)}))
    assert found["what"] == "file 'model.onnx' of the bundle has the wrong hash"


def test_another_scikit_learn_ends_in_one_refusal_line_and_code_3(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.bundle("iris", "sklearn"), tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    installed = manifest["environment"]["libraries"]["scikit-learn"]
    manifest["environment"]["libraries"]["scikit-learn"] = "1.8.0"
    (folder / "manifest.json").write_bytes(canonical(manifest))
    found = refusal(run_to_end({"MODEL_DIR": str(folder)}))
    assert found["what"] == "the bundle needs another version of scikit-learn"
    assert (found["expected"], found["found"]) == ("1.8.0", installed)


def test_a_model_that_predicts_something_else_here_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.bundle("iris"), tmp_path / "bundle"))
    sample = json.loads((folder / "sample.json").read_bytes())
    sample["predictions"][3] = "virginica"
    data = canonical(sample)
    (folder / "sample.json").write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entry = {"sha256": digest_of(data).removeprefix("sha256:"), "bytes": len(data)}
    manifest["files"]["sample.json"] = entry
    (folder / "manifest.json").write_bytes(canonical(manifest))
    found = refusal(run_to_end({"MODEL_DIR": str(folder)}))
    assert found["what"] == "the model predicts row 3 of its own sample differently here"


def test_the_sklearn_engine_serves_the_same_answers(start: Start) -> None:
    body = json.loads((trained.bundle("penguins") / "sample.json").read_bytes())
    request = {"instances": body["rows"]}
    answers = []
    for engine in ("onnx", "sklearn"):
        service = start(trained.bundle("penguins", engine))
        answers.append(service.client.post("/predict", json=request).json()["predictions"])
        assert service.client.get("/model/info").json()["engine"] == engine
    assert answers[0] == answers[1]


@pytest.mark.parametrize("running", [True, False])
def test_the_healthcheck_command_follows_readiness(start: Start, *, running: bool) -> None:
    port = start(trained.bundle("iris")).port if running else free_port()
    done = subprocess.run(
        [sys.executable, "-m", "app.healthcheck"],
        env={"PATH": os.environ["PATH"], "PORT": str(port)},
        cwd=ROOT,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == (0 if running else 1)
