"""Train a model by the commands of the release pipeline: build, validate, gate."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError, RefusedError
from modelctl.packaging.build import Home
from modelctl.packaging.bundles import verify_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.model.bundle import Bundle

STEPS = ("build", "validate", "gate")
# What the training code may read of a request, as JSON.
REQUEST = "TRAINING_REQUEST"
# Lines of a step's errors that are kept for whoever asked.
TAIL = 20
# Between SIGTERM and SIGKILL for a step that is to end.
END_SECONDS = 5


def train_alone(root: Path, model: str, request: Mapping[str, Any]) -> Bundle:
    """`train`, until SIGTERM. Raises RefusedError, ModelctlError."""

    async def until_told() -> Bundle:
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await train(root, model, request)

    try:
        return asyncio.run(until_told())
    except asyncio.CancelledError:
        raise told_to_end() from None


def told_to_end() -> ModelctlError:
    """The error of a training that somebody ended."""
    return ModelctlError("the training was told to end", fix="another one begins anew")


async def train(root: Path, model: str, request: Mapping[str, Any]) -> Bundle:
    """Run every step and return the verified bundle; steps end with the task.

    `request`: for the training code, as JSON in TRAINING_REQUEST; not set if it is empty.

    Raises RefusedError for what the same inputs would be refused for again, ModelctlError for what
    another attempt may do better.
    """
    environ = {**os.environ, **({REQUEST: json.dumps(request)} if request else {})}
    # The same code with another request is another training.
    force = ("--force",) if request else ()
    for step in STEPS:
        options = force if step == "build" else ()
        await _run(root, (step, model, *options), environ)
    return verify_bundle(Home(root, model).bundle)


async def _run(root: Path, arguments: tuple[str, ...], environ: dict[str, str]) -> None:
    """Run a command of modelctl, whose output passes, and end what it left behind.

    Raises RefusedError, ModelctlError.
    """
    argv = (sys.executable, "-m", "modelctl", *arguments)
    read, write = os.pipe()
    try:
        # A pipe of ours: the end of the step is its own, not that of whoever else holds the pipe.
        process = await asyncio.create_subprocess_exec(
            *argv, cwd=root, env=environ, stderr=write, start_new_session=True
        )
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    tail: deque[str] = deque(maxlen=TAIL)
    passing = asyncio.create_task(_pass_on(read, tail))
    try:
        code = await process.wait()
    except BaseException:
        await _end(process)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.wait([passing], timeout=END_SECONDS)
        passing.cancel()
    if code:
        raise _error(" ".join(arguments[:2]), code, "\n".join(tail))


async def _pass_on(read: int, tail: deque[str]) -> None:
    """Print what comes from a pipe, by chunks: a progress bar has no ends of lines."""
    stream = asyncio.StreamReader()
    with os.fdopen(read, "rb", buffering=0) as pipe:
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
        while chunk := await stream.read(1 << 16):
            text = chunk.decode(errors="replace")
            sys.stderr.write(text)
            sys.stderr.flush()
            tail.extend(line for line in text.splitlines() if line.strip())


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a step with all that it started."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_SECONDS)


def _error(command: str, code: int, tail: str) -> ModelctlError:
    what = f"`modelctl {command}` failed"
    if code == RefusedError.exit_code:
        return RefusedError(
            what,
            expected="a model that passes data expectations and the quality gate",
            found=tail,
            fix="correct the data or the training code, then ask again",
        )
    return ModelctlError(
        what,
        expected="exit code 0",
        found=f"exit code {code}\n{tail}",
        fix=f"run `modelctl {command}` to see why",
    )
