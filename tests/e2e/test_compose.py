"""deploy/compose without Docker: its two images under containerd, its nginx from Debian in front.

Image, user, rights, memory and variables are those of the compose file; only addresses are others,
because `ctr` gives containers no network of their own.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from modelctl.quality.containers import Containerd, Run
from sandbox import netns, web
from sandbox.environments import read_releases
from tests.compose import front
from tests.paths import ROOT

from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from collections.abc import Iterator


COMPOSE: dict[str, Any] = yaml.safe_load(
    (ROOT / "deploy/compose/compose.yaml").read_text(encoding="utf-8")
)
# Free in the sandbox's network namespace, where nobody else chooses ports.
PORTS = {"iris": 21080, "penguins": 21081}
FRONT_PORT = 21079


@contextmanager
def running(argv: list[str]) -> Iterator[None]:
    """That command runs in the sandbox's network meanwhile; it ends when it is asked to."""
    with subprocess.Popen(netns.enter_argv(argv), stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def container(loop: Loop, image: str, model: str, digest: str) -> Iterator[None]:
    """The model's service of the compose file, by containerd."""
    service = COMPOSE["services"][model]
    assert service["user"] == "10001:10001", "the user that the image has"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    memory = int(service["deploy"]["resources"]["limits"]["memory"].removesuffix("m"))
    environ = {**service["environment"], "MODEL_DIGEST": digest}
    environ["METRICS_PORT"] = str(PORTS[model] + 100)
    containerd = Containerd(str(loop.layout.containerd_socket), str(loop.layout.tool("ctr")))
    run = Run(image, f"compose-{model}", PORTS[model], memory, environ)
    subprocess.run(netns.enter_argv(containerd.pull(image)), check=True, capture_output=True)
    with running(containerd.run(run)):
        try:
            yield
        finally:
            subprocess.run(containerd.stop(run.name), check=True, capture_output=True)


def nginx(folder: Path) -> list[str]:
    """The command of nginx with the file beside the compose file."""
    program = front.program()
    assert program, "apt-get install nginx-light (`make test` does it)"
    return [*front.command(program, folder, FRONT_PORT, PORTS), "-g", "daemon off;"]


def test_both_models_answer_through_nginx_as_restricted_as_the_file_says(
    loop: Loop, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        for release in read_releases(loop.found):
            if release.environment == "dev" and release.model in PORTS:
                stack.enter_context(container(loop, release.image, release.model, release.digest))
        stack.enter_context(running(nginx(tmp_path)))
        for model in PORTS:
            seconds = eventually(f"{model} through nginx", partial(answers, loop, model), 90)
            measured(f"{model} of the compose file answers", seconds, 30)


def answers(loop: Loop, model: str) -> tuple[bool, str]:
    """Whether the whole sample is predicted as its bundle recorded."""
    sample = json.loads((loop.found / "build/bundles" / model / "sample.json").read_text())
    reply = web.request(
        "POST",
        f"http://127.0.0.1:{FRONT_PORT}/{model}/predict/batch",
        body=json.dumps({"instances": sample["rows"][:50]}).encode(),
        headers={"Content-Type": "application/json"},
        in_netns=True,
    )
    if reply.status != 200:
        return False, f"{reply.status} {reply.text}"
    found = [entry["prediction"] for entry in json.loads(reply.text)["predictions"]]
    return found == sample["predictions"][:50], reply.text
