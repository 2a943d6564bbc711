"""Parts that are larger than one request of an upload: whole or not there, whatever happens."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import obstore
import pandas as pd
import pytest

from app.batch.buckets import UPLOAD_BYTES
from tests.fetch.faults import Toxic, toxic
from tests.fetch.servers import Server
from tests.fetch.signed import gcs_front
from tests.fetch.test_batch import ended, in_store, modelctl, objects, on_disk, parts, pod
from tests.modelctl.batch.test_run import rows

ROWS = 3000
NOTE_BYTES = 7000
OPTIONS = ("--passthrough", "note", "--ignore", "id")
PART = "part-00000.parquet"
# Of an upload in several requests: the first, one with content, the last.
REQUESTS = {
    "s3": (r"POST \S*{}\?uploads", r"PUT \S*{}\?\S*partNumber=", r"POST \S*{}\?uploadId="),
    "gs": (r"POST \S*{}\?uploads", r"PUT \S*{}\?\S*partNumber=", r"POST \S*{}\?uploadId="),
    "az": (
        r"PUT \S*{}\?\S*comp=block&",
        r"PUT \S*{}\?\S*comp=block&",
        r"PUT \S*{}\?comp=blocklist",
    ),
}
FAULTS = ("500", "503", "reset", "answer lost", "cut")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with notes that no codec makes smaller, and their run on disk: one part of 37 MB."""
    folder = tmp_path_factory.mktemp("large")
    random = np.random.default_rng(0)
    notes = [random.bytes(NOTE_BYTES).hex() for _ in range(ROWS)]
    frame = rows(ROWS).assign(note=pd.Series(notes))
    frame.to_parquet(folder / "rows.parquet", row_group_size=1000)
    ended(pod("--input", folder / "rows.parquet", "--out", folder / "out", *OPTIONS, environ={}))
    assert (folder / "out" / PART).stat().st_size > 2 * UPLOAD_BYTES
    return folder


@pytest.fixture(scope="module")
def store(
    running: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """A store that takes writes."""
    with gcs_front(running("s3"), tmp_path_factory.mktemp("gcs")) as google:
        yield lambda kind: google if kind == "gs" else running(kind)


def asked(large: Path, server: Server, place: str) -> tuple[object, ...]:
    """The arguments of a pod."""
    return ("--input", large / "rows.parquet", "--out", f"{server.url}/{place}/out", *OPTIONS)


def through(server: Server, proxy: Toxic) -> dict[str, str]:
    """The variables of a store behind a proxy."""
    before = server.environ["FETCH_ENDPOINT"]
    return server.environ | {
        "FETCH_ENDPOINT": before.replace(f":{server.port}", f":{proxy.port}"),
    }


def request(kind: str, at: int) -> str:
    """A pattern for a request of the part's upload."""
    return REQUESTS[kind][at].format(re.escape(f"/out/{PART}"))


@contextmanager
def watched(server: Server, name: str) -> Iterator[set[int]]:
    """The sizes that an object had meanwhile."""
    client, sizes, ended_ = objects(server), set[int](), threading.Event()

    def watch() -> None:
        while not ended_.is_set():
            try:
                sizes.add(obstore.head(client, name)["size"])
            except FileNotFoundError:
                continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
    finally:
        ended_.set()
        thread.join()


@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_a_large_part_survives_a_store_that_fails_one_call_in_ten(
    kind: str, store: Callable[[str], Server], large: Path, place: str
) -> None:
    server = store(kind)
    with toxic(server.port, 0.1, seed=3) as proxy, watched(server, f"{place}/out/{PART}") as sizes:
        ended(pod(*asked(large, server, place), environ=through(server, proxy)))
        contents = [one for one in proxy.requests if re.match(request(kind, 1), one)]
        assert sum(proxy.counts[fault] for fault in proxy.faults)
    assert len(contents) >= 3
    assert len(sizes) == 1
    assert parts(in_store(server, f"{place}/out")) == parts(on_disk(large / "out"))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_each_request_of_an_upload_may_fail_in_each_way(
    kind: str, fault: str, store: Callable[[str], Server], large: Path, place: str
) -> None:
    server = store(kind)
    with toxic(server.port, 0, seed=1) as proxy:
        for at in range(3):
            proxy.fail_once(request(kind, at), fault)
        if kind == "s3":
            proxy.fail_once(request(kind, 2), "error in a 200")
        ended(pod(*asked(large, server, place), environ=through(server, proxy)))
        assert proxy.is_done
    assert parts(in_store(server, f"{place}/out")) == parts(on_disk(large / "out"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
@pytest.mark.parametrize("kind", ["s3", "gs", "az"])
def test_a_pod_that_ends_within_an_upload_leaves_no_object(
    kind: str, how: signal.Signals, store: Callable[[str], Server], large: Path, place: str
) -> None:
    server = store(kind)
    # Before any content has arrived, and when all of it has.
    for at in (1, 2):
        with toxic(server.port, 0, seed=1) as proxy:
            proxy.hold(request(kind, at))
            process = pod(*asked(large, server, place), environ=through(server, proxy))
            assert proxy.holding.wait(120)
            process.send_signal(how)
            process.communicate(timeout=60)
            proxy.release()
        assert set(in_store(server, f"{place}/out")) <= {"plan.json", f"rejected/{PART}"}
    ended(pod(*asked(large, server, place), environ=server.environ))
    assert parts(in_store(server, f"{place}/out")) == parts(on_disk(large / "out"))
    assert "1 part, 3,000" in modelctl(
        "verify", f"{server.url}/{place}/out", environ=server.environ
    )
