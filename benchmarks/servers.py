"""Every server of the comparison: its command, and its prediction request.

A peer runs in its own environment (build/bench/<name>) with its default way to serve a joblib file,
with one worker process.
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BENCH = Path("build/bench")
PEERS = ("flask", "fastapi", "mlserver", "kserve", "bentoml")


@dataclass(frozen=True)
class Server:
    """One server with one model, on one port."""

    name: str
    argv: list[str]
    port: int
    ready: str
    path: str
    body: str
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None

    @property
    def url(self) -> str:
        """The URL of predictions."""
        return f"http://127.0.0.1:{self.port}{self.path}"


def first_row(workload: str) -> dict[str, Any]:
    """Return the first complete row of a workload's sample, without the target."""
    with (BENCH / "flask" / "models" / workload / "sample.csv").open() as stream:
        for record in csv.DictReader(stream):
            del record["target"]
            if all(record.values()):
                return {name: _number(text) for name, text in record.items()}
    raise RuntimeError(f"no complete row in the sample of {workload}")


def ours(
    workload: str,
    port: int,
    workers: int = 1,
    bundle_name: str = "",
    env: Mapping[str, str] | None = None,
) -> Server:
    """Return this project's service, as `modelctl serve` starts it."""
    bundle = str((BENCH / "bundles" / (bundle_name or workload)).absolute())
    variables = {"MODEL_DIR": bundle, "HOST": "127.0.0.1", "PORT": str(port)}
    variables |= {"WORKERS": str(workers), **(env or {})}
    body = json.dumps({"features": _features(workload)})
    argv = [sys.executable, "-m", "app"]
    return Server("ml-model", argv, port, "/ready", "/predict", body, variables)


def echo(worker: list[str], name: str, port: int, workload: str) -> Server:
    """Return Flask that parses and returns the request, under a gunicorn worker."""
    argv = [sys.executable, "-m", "gunicorn", "--no-control-socket", "-b", f"127.0.0.1:{port}"]
    body = json.dumps({"features": _features(workload)})
    return Server(name, [*argv, *worker], port, "/health", "/predict", body)


def peer(name: str, workload: str, port: int) -> Server:
    """Return a peer by its name."""
    return PEER_BUILDERS[name](workload, port)


def _features(workload: str) -> Any:
    row = first_row(workload)
    return row if workload == "penguins" else list(row.values())


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _model(name: str, workload: str) -> str:
    return str((BENCH / name / "models" / workload / "model.joblib").absolute())


def _bin(name: str, program: str) -> str:
    return str((BENCH / name / "bin" / program).absolute())


def _folder(name: str) -> Path:
    return Path("benchmarks/peers").absolute() / name


def _flask(workload: str, port: int) -> Server:
    argv = [_bin("flask", "gunicorn"), "--no-control-socket", "-b", f"127.0.0.1:{port}"]
    return _simple("flask", [*argv, "server:app"], workload, port)


def _fastapi(workload: str, port: int) -> Server:
    argv = [_bin("fastapi", "uvicorn"), "server:app", "--port", str(port)]
    return _simple("fastapi", argv, workload, port)


def _bentoml(workload: str, port: int) -> Server:
    argv = [_bin("bentoml", "bentoml"), "serve", "server:Model", "--port", str(port)]
    return _simple("bentoml", argv, workload, port, "/readyz")


def _simple(name: str, argv: list[str], workload: str, port: int, ready: str = "/health") -> Server:
    body = json.dumps({"features": _features(workload)})
    env = {"MODEL": _model(name, workload), "BENTOML_DO_NOT_TRACK": "true"}
    return Server(name, argv, port, ready, "/predict", body, env, _folder(name))


def _kserve(workload: str, port: int) -> Server:
    argv = [_bin("kserve", "python"), "server.py", "--http_port", str(port)]
    body = json.dumps({"instances": [_features(workload)]})
    path = "/v1/models/model"
    env = {"MODEL": _model("kserve", workload)}
    cwd = _folder("kserve")
    return Server("kserve", argv, port, path, f"{path}:predict", body, env, cwd)


def _mlserver(workload: str, port: int) -> Server:
    folder = (BENCH / "mlserver" / "served" / workload).absolute()
    model = _model("mlserver", workload)
    argv = [_bin("mlserver", "python"), "model.py", str(folder), model, str(port)]
    row = first_row(workload)
    document: dict[str, Any]
    if workload == "penguins":
        document = {
            "parameters": {"content_type": "pd"},
            "inputs": [_column(name, value) for name, value in row.items()],
        }
    else:
        values = list(row.values())
        tensor = {"name": "x", "shape": [1, len(values)], "datatype": "FP64", "data": values}
        document = {"inputs": [tensor]}
    document["outputs"] = [{"name": "predict_proba"}]
    ready, path = "/v2/models/model/ready", "/v2/models/model/infer"
    cwd = _folder("mlserver")
    return Server("mlserver", argv, port, ready, path, json.dumps(document), {}, cwd)


def _column(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        text = {"content_type": "str"}
        return {
            "name": name, "shape": [1, 1], "datatype": "BYTES", "data": [value], "parameters": text,
        }  # fmt: skip
    return {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [value]}


PEER_BUILDERS: dict[str, Callable[[str, int], Server]] = {
    "flask": _flask,
    "fastapi": _fastapi,
    "mlserver": _mlserver,
    "kserve": _kserve,
    "bentoml": _bentoml,
}
