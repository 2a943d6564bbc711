"""Run the shards of a plan in processes of their own; one that dies costs a retry, no rows.

Each process loads the bundle once and asks for shard after shard. Parts appear whole, so a process
may be killed at any moment, and so may this one.
"""

from __future__ import annotations

import os
import signal
from collections import Counter, deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from typing import TYPE_CHECKING, Any

from app.batch.attempts import Attempts, Failure, fields_of, note
from app.batch.errors import BatchError, BatchRefusedError
from app.batch.plan import load as load_plan
from app.errors import RefusedError as RefusedByApp
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from app.batch import parts
    from app.batch.folders import Folder

# Deaths of the process that one shard may cause: by then it is the shard.
MAX_DEATHS = 3
# Processes are the unit of parallelism: threads of libraries would compete for the same cores.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    part: int | None = None


class Pool:
    """Processes that predict shards. `on_rows` and `on_part` hear of progress."""

    def __init__(
        self,
        out: Folder,
        bundle: Path,
        processes: int,
        on_rows: Callable[[int, int], None],
        on_part: Callable[[parts.Facts], None],
    ) -> None:
        self._out, self._bundle, self._processes = out, bundle, processes
        self._on_rows, self._on_part = on_rows, on_part
        self._workers: list[_Worker] = []
        self._deaths: Counter[int] = Counter()
        self.failures: list[Failure] = []
        self.retries = 0

    def run(self, shards: Sequence[int]) -> None:
        """Predict these shards. Raises RefusedError as soon as a process is refused to go on."""
        waiting = deque(shards)
        try:
            while waiting or any(worker.part is not None for worker in self._workers):
                self._hand_out(waiting)
                busy = [worker for worker in self._workers if worker.part is not None]
                ready = connection.wait([worker.pipe for worker in busy])
                for worker in [worker for worker in busy if worker.pipe in ready]:
                    self._hear(worker, waiting)
        finally:
            self._stop()

    def _hand_out(self, waiting: deque[int]) -> None:
        while waiting:
            idle = next((worker for worker in self._workers if worker.part is None), None)
            if idle is None:
                if len(self._workers) >= self._processes:
                    return
                idle = self._start()
                self._workers.append(idle)
            idle.part = waiting.popleft()
            with suppress(BrokenPipeError):  # a death is heard of as the end of its messages
                idle.pipe.send(idle.part)

    def _start(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = (theirs, self._out.where(), self._bundle)
        process = context.Process(target=_work, args=arguments, daemon=True)
        with _one_thread():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _hear(self, worker: _Worker, waiting: deque[int]) -> None:
        part = worker.part
        if part is None:
            return
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._bury(worker, part, waiting)
            return
        if kind == "rows":
            self._on_rows(part, content)
            return
        worker.part = None
        if kind == "done":
            self._on_part(content)
        elif kind == "refused":
            raise RefusedError(content.pop("what"), **content)
        else:
            self.failures.append(content)

    def _bury(self, worker: _Worker, part: int, waiting: deque[int]) -> None:
        """Give the shard of a process that died to another one, a few times."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        self._deaths[part] += 1
        if self._deaths[part] < MAX_DEATHS:
            self.retries += 1
            waiting.appendleft(part)
            return
        code = worker.process.exitcode
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        fields = {
            "what": f"the process of part {part} died {MAX_DEATHS} times",
            "expected": "a process that ends with its part",
            "found": ended,
            "fix": "give it more memory, or plan smaller chunks (--chunk-rows)",
        }
        self.failures.append(note(self._out, Failure(part, fields)))

    def _stop(self) -> None:
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
        self._workers = []


@contextmanager
def _one_thread() -> Iterator[None]:
    """For the processes that are started inside."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _work(pipe: Connection, where: str, bundle: Path) -> None:
    """The process: shard after shard, until nobody asks any more."""
    # Ctrl-C reaches every process of the terminal: the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from app.batch.inputs import open_folder
    from app.batch.model import load
    from app.batch.shard import ShardRunner

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            out = open_folder(where)
            plan = load_plan(out)
            model = load(bundle, plan.bundle.digest, explain=plan.explain)
            attempts = Attempts(ShardRunner(plan, out, model), out)
        except (BatchError, RefusedByApp) as error:
            pipe.recv()
            pipe.send(("refused", fields_of(error)))
            return
        while True:
            _work_on(pipe, attempts, pipe.recv())


def _work_on(pipe: Connection, attempts: Attempts, part: int) -> None:
    try:
        done = attempts.write(part, lambda rows: pipe.send(("rows", rows)))
    except BatchRefusedError as error:
        pipe.send(("refused", fields_of(error)))
        return
    if isinstance(done, Failure):
        pipe.send(("failed", done))
    else:
        pipe.send(("done", done))
