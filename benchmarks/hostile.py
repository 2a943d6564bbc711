"""Hostile clients against one pod: is it killed, and what does everybody else notice?

    .venv/bin/python -m benchmarks.hostile [--seconds 60] [--connections 1000] [--write]

Serves iris with one worker in a control group with the memory limit of production. Beside it, on
the other core, many connections of one kind misbehave, while a normal client predicts and probes
ask. Needs root, for the control group. Prints a table and, with `--write`, puts it into
docs/reference/hostile-clients.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from benchmarks import hostile_http2
from modelctl.proc import free_port

BUNDLE = Path("build/bundles/iris")
PAGE = Path(__file__).parent.parent / "docs" / "reference" / "hostile-clients.md"
START, END = "<!-- table -->\n", "<!-- end of table -->\n"
# As in environments/production/iris/capacity.yaml.
LIMIT_MIB = 192
BODY = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
REQUEST = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
LARGE = 1_000_000
INTERVAL_SECONDS = 0.05
PROBE_INTERVAL_SECONDS = 1.0
SETTLE_SECONDS = 5.0

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def large_heads(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head of 770 KB in small fields."""
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n")
    for _each in range(770):
        writer.write(b"X-A: b\r\n" * 125)
        await writer.drain()


async def slow_heads(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Thirty kilobytes of a head at once, then a byte a second."""
    writer.write(HEAD + b"X-A: b\r\n" * 90 + b"X-B: " + b"a" * 30_000)
    await _drip(writer)


async def slow_bodies(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body of 1 MB, a byte a second."""
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n{" % LARGE)
    await _drip(writer)


async def unfinished_bodies(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body of 1 MB without its last byte."""
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % LARGE + b" " * (LARGE - 1))
    await writer.drain()
    await asyncio.sleep(3600)


async def tiny_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body in chunks of one byte, without an end."""
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\na\r\n" * 2000)
        await writer.drain()


async def never_reading(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests for the largest page, whose answers are never read."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    while True:
        writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        await writer.drain()


async def pipelining(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Fifty requests at once, again and again."""
    while True:
        writer.write(REQUEST * 50)
        await writer.drain()
        await reader.read(65_536)


async def half_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The beginning of a TLS handshake, again and again."""
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))
    await writer.drain()


async def idle(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Nothing."""
    await asyncio.sleep(3600)


async def reconnecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A new connection for each health check."""
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await reader.read(65_536)


ATTACKS: tuple[Attack, ...] = (
    large_heads, slow_heads, slow_bodies, unfinished_bodies, tiny_chunks, never_reading,
    pipelining, half_tls, idle, reconnecting, *hostile_http2.ATTACKS,
)  # fmt: skip


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(1)
        writer.write(b"a")
        await writer.drain()


def attack(kind: str, port: int, connections: int, seconds: float) -> None:
    """Keep so many connections of one kind open, in a process of its own."""
    found = next(each for each in ATTACKS if each.__name__ == kind)

    async def one(end: float) -> None:
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    await asyncio.wait_for(_watched(found, reader, writer), end - time.monotonic())
                except TimeoutError:
                    pass
                finally:
                    writer.close()
            await asyncio.sleep(0.01)

    async def everyone() -> None:
        end = time.monotonic() + seconds
        await asyncio.gather(*(one(end) for _ in range(connections)))

    asyncio.run(everyone())


async def _watched(
    found: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Attack until the service closes the connection."""
    doing = asyncio.ensure_future(found(reader, writer))
    try:
        while not doing.done() and not writer.transport.is_closing():
            if found not in (never_reading, pipelining) and reader.at_eof():
                break
            await asyncio.wait([doing], timeout=0.2)
    finally:
        doing.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await doing


class Group:
    """A control group with a memory limit, of version 1 or 2."""

    def __init__(self, name: str, limit: int) -> None:
        root = Path("/sys/fs/cgroup")
        self.is_old = (root / "memory").is_dir()
        self.path = (root / "memory" if self.is_old else root) / name
        self.path.mkdir()
        self._write("memory.limit_in_bytes" if self.is_old else "memory.max", limit)

    def _write(self, name: str, value: object) -> None:
        (self.path / name).write_text(f"{value}\n")

    @property
    def used(self) -> int:
        """Bytes in use, without what the kernel may drop."""
        text = (self.path / "memory.stat").read_text()
        numbers = dict(line.split() for line in text.splitlines())
        if self.is_old:
            return int(numbers["total_rss"]) + int(numbers.get("total_mapped_file", 0))
        return int(numbers["anon"]) + int(numbers["kernel"]) + int(numbers["sock"])

    @property
    def kills(self) -> int:
        """How often it killed a process for want of memory."""
        name = "memory.oom_control" if self.is_old else "memory.events"
        lines = (self.path / name).read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    def remove(self) -> None:
        """Remove it, once it is empty."""
        end = time.monotonic() + 10
        while True:
            try:
                self.path.rmdir()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                return


@dataclass
class Noticed:
    """What the others saw: seconds of each answer, and how many failed."""

    normal: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    failed: int = 0

    def p99_ms(self) -> float:
        """The 99th percentile of predictions, ms."""
        return statistics.quantiles(self.normal, n=100)[98] * 1000


def observe(port: int, seconds: float) -> Noticed:
    """Predict twenty times a second on a kept connection, and probe on a new one each second."""
    noticed, end, probe = Noticed(), time.monotonic() + seconds, 0.0
    kept = HTTPConnection("127.0.0.1", port, timeout=10)
    while (now := time.monotonic()) < end:
        try:
            kept.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
            response = kept.getresponse()
            response.read()
            noticed.normal.append(time.monotonic() - now)
            noticed.failed += response.status != 200
            if now >= probe:
                probe = now + PROBE_INTERVAL_SECONDS
                noticed.probes.append(_probe(port))
        except (OSError, HTTPException):
            noticed.failed += 1
            noticed.normal.append(time.monotonic() - now)
            kept.close()
        time.sleep(max(0.0, now + INTERVAL_SECONDS - time.monotonic()))
    kept.close()
    return noticed


def _probe(port: int) -> float:
    began = time.monotonic()
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    for path in ("/health", "/ready"):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise HTTPException(f"{path}: {response.status}")
    connection.close()
    return (time.monotonic() - began) / 2


@contextlib.contextmanager
def serving(bundle: Path) -> Iterator[tuple[int, Group]]:
    """One worker on the first core, in a control group."""
    group = Group(f"ml-model-hostile-{os.getpid()}", LIMIT_MIB * 2**20)
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"], "MODEL_DIR": str(bundle), "HOST": "127.0.0.1",
        "PORT": str(port), "WORKERS": "1", "LOG_LEVEL": "error",
    }  # fmt: skip
    script = f'echo $$ > {group.path}/cgroup.procs; exec taskset -c 0 "$0" -m app'
    process = subprocess.Popen(["/bin/sh", "-c", script, sys.executable], env=environ)
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError, HTTPException):
                _probe(port)
                break
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit("the service did not become ready")
            time.sleep(0.1)
        yield port, group
    finally:
        process.terminate()
        process.wait(60)
        group.remove()


def row(kind: Attack, port: int, group: Group, connections: int, seconds: float) -> list[str]:
    """One line of the table."""
    before, killed = group.used, group.kills
    quiet = observe(port, min(seconds, 5.0))
    attacker = multiprocessing.Process(
        target=attack, args=(kind.__name__, port, connections, seconds), daemon=True
    )
    attacker.start()
    noticed = observe(port, seconds)
    most = group.used
    attacker.join(30)
    attacker.kill()
    time.sleep(SETTLE_SECONDS)
    left = (group.used - before) / 2**20
    return [
        kind.__name__.replace("_", " "),
        str(group.kills - killed),
        str(noticed.failed),
        f"{quiet.p99_ms():.1f}",
        f"{noticed.p99_ms():.1f}",
        f"{max(noticed.probes, default=float('inf')) * 1000:.0f}",
        f"{most / 2**20:.0f}",
        f"{left:+.0f}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--kind", action="append", help="one kind; all by default")
    parser.add_argument("--write", action="store_true", help="write the table into the page")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {1})
    names = ["clients", "killed", "others failed", "p99 quiet, ms", "p99, ms", "slowest probe, ms",
             "memory at the end, MiB", "5 s later, MiB"]  # fmt: skip
    lines = [f"| {' | '.join(names)} |", "|---|" + "--:|" * (len(names) - 1)]
    print("\n".join(lines), flush=True)
    with serving(arguments.bundle) as (port, group):
        # What the first connections cost stays, whoever they are.
        attack(idle.__name__, port, arguments.connections, 2.0)
        for kind in ATTACKS:
            if arguments.kind and kind.__name__ not in arguments.kind:
                continue
            cells = row(kind, port, group, arguments.connections, arguments.seconds)
            lines.append(f"| {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if arguments.write:
        head, rest = PAGE.read_text(encoding="utf-8").split(START)
        _, tail = rest.split(END)
        table = "\n".join(lines)
        PAGE.write_text(f"{head}{START}{table}\n{END}{tail}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
