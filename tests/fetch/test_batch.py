"""Batches from and into real stores have the parts of a run on disk, whatever the store does."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import orjson
import pytest
from obstore import store
from obstore.store import ObjectStore

from tests import trained
from tests.fetch.conftest import ENVIRON
from tests.fetch.faults import toxic
from tests.fetch.servers import (
    ACCOUNT,
    ACCOUNT_KEY,
    BUCKET,
    CLIENT,
    KEY,
    PUBLIC,
    SECRET,
    Server,
)
from tests.modelctl.batch.test_run import rows, write
from tests.observability import loglines

ENDINGS = ("parquet", "csv", "jsonl")
OPTIONS = ("--passthrough", "id", "--shard-rows", "70", "--chunk-rows", "33")


def objects(server: Server, bucket: str = BUCKET) -> ObjectStore:
    """A client that takes writes."""
    if server.url.startswith("az"):
        return store.AzureStore(
            bucket,
            endpoint=f"http://127.0.0.1:{server.port}/{ACCOUNT}",
            account_name=ACCOUNT,
            account_key=ACCOUNT_KEY,
            client_options=CLIENT,
        )
    return store.S3Store(
        bucket,
        endpoint=f"http://127.0.0.1:{server.port}",
        access_key_id=KEY,
        secret_access_key=SECRET,
        client_options=CLIENT,
    )


def command(*words: object, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a module to its end."""
    argv = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(
        argv, env=ENVIRON | environ, capture_output=True, text=True, check=False, timeout=300
    )


def modelctl(*words: object, environ: dict[str, str], code: int = 0) -> str:
    """Run `modelctl batch`; what it printed, after its exit code is as expected."""
    done = command("modelctl", "batch", *words, environ=environ)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def pod(
    *words: object, environ: dict[str, str], index: int = 0, pods: int = 1
) -> subprocess.Popen[str]:
    """A pod of a batch, started."""
    own = {"MODEL_DIR": str(trained.bundle("penguins")), "JOB_COMPLETION_INDEX": str(index)}
    return subprocess.Popen(
        [sys.executable, "-m", "app.batch", *map(str, words), "--pods", str(pods)],
        env=ENVIRON | environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> list[dict[str, object]]:
    """Its lines, after its exit code is as expected."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, output[-3000:] + errors
    assert errors == ""
    lines = [orjson.loads(line) for line in output.splitlines()]
    loglines.check(lines)
    return lines


def run_of(folder: dict[str, bytes]) -> str:
    """The run's id."""
    run: str = json.loads(folder["_SUCCESS.json"])["run"]
    return run


def parts(folder: dict[str, bytes]) -> dict[str, bytes]:
    """The parts, without the id of the run: that of a plan which pins otherwise is another one."""
    run = run_of(folder).encode()
    found = {name: data for name, data in folder.items() if name.endswith(".parquet")}
    assert all(data.count(run) for data in found.values())
    return {name: data.replace(run, b"run") for name, data in found.items()}


def on_disk(out: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    found = [path for path in out.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def in_store(server: Server, prefix: str) -> dict[str, bytes]:
    """Every object below a prefix."""
    client = objects(server)
    names = [one["path"] for batch in obstore.list(client, prefix=prefix) for one in batch]
    return {
        name.removeprefix(f"{prefix}/"): bytes(obstore.get(client, name).bytes()) for name in names
    }


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows in each format, and their run on disk."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "in").mkdir()
    for seed, ending in enumerate(ENDINGS):
        write(rows(300, seed), folder / "in" / f"rows.{ending}")
    bundle = trained.bundle("penguins")
    asked = ("--bundle", bundle, "--input", folder / "in", "--out", folder / "out")
    modelctl("plan", *asked, *OPTIONS, environ={})
    modelctl("run", folder / "out", environ={})
    return folder


@pytest.fixture
def uploaded(local: Path, place: str) -> Callable[[Server], str]:
    """Puts the rows below a URL and returns that."""

    def upload(server: Server) -> str:
        for path in (local / "in").iterdir():
            server.put(f"{place}/in/{path.name}", path.read_bytes())
        # Neither is an input of a folder.
        server.put(f"{place}/in/_SUCCESS.csv", b"no")
        server.put(f"{place}/in/notes.txt", b"no")
        return f"{server.url}/{place}"

    return upload


@pytest.mark.parametrize("kind", ["s3", "az"])
def test_parts_in_a_store_are_those_on_disk(
    kind: str,
    running: Callable[[str], Server],
    uploaded: Callable[[Server], str],
    local: Path,
    place: str,
) -> None:
    server = running(kind)
    url = uploaded(server)
    asked = ("--bundle", trained.bundle("penguins"), "--input", f"{url}/in", "--out", f"{url}/out")
    modelctl("plan", *asked, *OPTIONS, environ=server.environ)
    bundle = ("--bundle", trained.bundle("penguins"))
    assert "--bundle" in modelctl("run", f"{url}/out", environ=server.environ, code=2)
    modelctl("run", f"{url}/out", *bundle, environ=server.environ)
    assert "900 rows in" in modelctl("verify", f"{url}/out/plan.json", environ=server.environ)
    assert "15 parts kept" in modelctl("run", f"{url}/out", *bundle, environ=server.environ)
    found = in_store(server, f"{place}/out")
    assert parts(found) == parts(on_disk(local / "out"))
    plan = json.loads(found["plan.json"])
    assert all(file["etag"] for file in plan["files"])
    # Of Parquet no more than the footer is read for a plan.
    hashed = {file["format"]: bool(file["sha256"]) for file in plan["files"]}
    assert hashed == {"csv": True, "jsonl": True, "parquet": False}


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [("s3", "in"), ("gs", "in"), ("az", "in"), ("s3", "in/rows.*[tvl]"), ("s3", "**/rows.*")],
)
def test_every_store_is_read_into_a_folder(
    kind: str,
    pattern: str,
    running: Callable[[str], Server],
    uploaded: Callable[[Server], str],
    local: Path,
    tmp_path: Path,
) -> None:
    server = running(kind)
    url = uploaded(server)
    out = tmp_path / "out"
    asked = ("--input", f"{url}/{pattern}", "--out", out, *OPTIONS)
    lines = ended(pod(*asked, environ=server.environ))
    assert lines[-1]["event"] == "run_completed"
    assert parts(on_disk(out)) == parts(on_disk(local / "out"))


def test_a_file_of_a_web_server_is_read(
    running: Callable[[str], Server], local: Path, place: str, tmp_path: Path
) -> None:
    server = running("az")
    client = objects(server, PUBLIC)
    base = f"http://127.0.0.1:{server.port}/{ACCOUNT}/{PUBLIC}/{place}"
    # An endpoint is for the other stores.
    environ = {"FETCH_ALLOW_HTTP": "true", "FETCH_ENDPOINT": "http://127.0.0.1:1"}
    for ending in ENDINGS:
        data = (local / f"in/rows.{ending}").read_bytes()
        obstore.put(client, f"{place}/rows.{ending}", data)
    inputs = [word for ending in ENDINGS for word in ("--input", f"{base}/rows.{ending}")]
    ended(pod(*inputs, "--out", tmp_path / "out", *OPTIONS, environ=environ))
    assert parts(on_disk(tmp_path / "out")) == parts(on_disk(local / "out"))


def test_a_web_server_without_ranges_is_refused_by_name(
    running: Callable[[str], Server], uploaded: Callable[[Server], str], tmp_path: Path
) -> None:
    server = running("http")
    url = f"{uploaded(server)}/in/rows.parquet"
    asked = ("--input", url, "--out", tmp_path / "out", *OPTIONS)
    said = ended(pod(*asked, environ=server.environ), code=3)[-1]
    assert said["what"] == f"{url} cannot be read in parts"
    assert "range" in str(said["expected"])


def test_a_store_that_refuses_is_named_and_not_asked_again(
    running: Callable[[str], Server], uploaded: Callable[[Server], str], local: Path, place: str
) -> None:
    server = running("s3")
    url = uploaded(server)
    wrong = server.environ | {"AWS_SECRET_ACCESS_KEY": "not-the-password"}
    said = ended(pod("--input", f"{url}/in", "--out", f"{url}/out", environ=wrong), code=3)[-1]
    assert "is denied" in str(said["what"])
    asked = ("--input", "s3://no-such-bucket/in", "--out", f"{url}/out")
    said = ended(pod(*asked, environ=server.environ), code=3)[-1]
    assert said["what"] == "the bucket of s3://no-such-bucket does not exist"
    asked = ("--input", f"{url}/nowhere", "--out", f"{url}/out")
    said = ended(pod(*asked, environ=server.environ), code=3)[-1]
    assert said["what"] == f"no input at {url}/nowhere"
    gone = server.environ | {"FETCH_ENDPOINT": "http://127.0.0.1:9", "FETCH_ATTEMPTS": "2"}
    said = ended(pod("--input", f"{url}/in", "--out", f"{url}/out", environ=gone), code=1)[-1]
    assert "does not answer" in str(said["what"])
    assert not in_store(server, f"{place}/out")


def test_pods_share_a_store_that_fails_one_call_in_ten(
    running: Callable[[str], Server],
    uploaded: Callable[[Server], str],
    local: Path,
    place: str,
) -> None:
    server = running("s3")
    url = uploaded(server)
    with toxic(server.port, 0.1, seed=7) as proxy:
        environ = server.environ | {"FETCH_ENDPOINT": f"http://127.0.0.1:{proxy.port}"}
        asked = ("--input", f"{url}/in", "--out", f"{url}/out", *OPTIONS)
        started = [pod(*asked, environ=environ, index=index, pods=3) for index in range(3)]
        for process in started:
            ended(process)
        assert all(proxy.counts[fault] for fault in proxy.faults), proxy.counts
    found = in_store(server, f"{place}/out")
    assert parts(found) == parts(on_disk(local / "out"))
    assert not [name for name in found if name.startswith("failed/")]


def test_a_store_that_stays_away_fails_parts_and_another_run_goes_on(
    running: Callable[[str], Server],
    uploaded: Callable[[Server], str],
    local: Path,
    place: str,
) -> None:
    server = running("s3")
    url = uploaded(server)
    asked = ("--input", f"{url}/in", "--out", f"{url}/out", *OPTIONS)
    with toxic(server.port, 0, seed=1) as proxy:
        proxy.fail_from(r"PUT \S*/out/part-00003")
        through = {"FETCH_ENDPOINT": f"http://127.0.0.1:{proxy.port}", "FETCH_ATTEMPTS": "2"}
        lines = ended(pod(*asked, environ=server.environ | through), code=1)
    assert lines[-1]["event"] == "batch_failed"
    assert "does not answer" in str(lines[-1]["what"])
    found = in_store(server, f"{place}/out")
    assert "_SUCCESS.json" not in found
    assert len([name for name in found if name.startswith("part-")]) == 3
    ended(pod(*asked, environ=server.environ))
    assert parts(in_store(server, f"{place}/out")) == parts(on_disk(local / "out"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_object_that_changed_after_planning_is_refused(
    ending: str,
    running: Callable[[str], Server],
    uploaded: Callable[[Server], str],
    local: Path,
    place: str,
) -> None:
    server = running("s3")
    url = uploaded(server)
    asked = ("--input", f"{url}/in", "--out", f"{url}/out")
    bundle = ("--bundle", trained.bundle("penguins"))
    modelctl("plan", *bundle, *asked, *OPTIONS, environ=server.environ)
    data = bytearray((local / f"in/rows.{ending}").read_bytes())
    # A digit for a digit: valid, of the same size, and another value.
    at = next(i for i, byte in enumerate(data) if i > 200 and chr(byte).isdigit())
    data[at] = ord("1") if data[at] != ord("1") else ord("2")
    server.put(f"{place}/in/rows.{ending}", bytes(data))
    said = ended(pod(*asked, *OPTIONS, environ=server.environ), code=3)[-1]
    assert said["what"] == f"rows.{ending} changed after it was planned"
    assert "ETag" in str(said["expected"])
    ran = modelctl("run", f"{url}/out", *bundle, environ=server.environ, code=3)
    assert f"rows.{ending} changed after it was planned" in ran
    assert "_SUCCESS.json" not in in_store(server, f"{place}/out")
    obstore.delete(objects(server), f"{place}/in/rows.{ending}")
    said = ended(pod(*asked, *OPTIONS, environ=server.environ), code=3)[-1]
    assert "planned with another input" in str(said["what"])


@pytest.fixture(params=["s3", "disk"])
def place_of_results(
    request: pytest.FixtureRequest, running: Callable[[str], Server], place: str, tmp_path: Path
) -> Iterator[tuple[str, dict[str, str], Callable[[], dict[str, bytes]]]]:
    """Where pods write, the variables for it, and what is there."""
    if request.param == "disk":
        yield str(tmp_path / "out"), {}, lambda: on_disk(tmp_path / "out")
        return
    server = running("s3")
    yield f"{server.url}/{place}/out", server.environ, lambda: in_store(server, f"{place}/out")


MAX_KILLS = 8


def test_pods_that_are_killed_at_any_moment_end_with_the_same_bytes(
    place_of_results: tuple[str, dict[str, str], Callable[[], dict[str, bytes]]],
    local: Path,
    tmp_path: Path,
) -> None:
    out, environ, found = place_of_results
    asked = ("--input", local / "in", "--out", out, *OPTIONS)
    chance = random.Random(3)  # noqa: S311
    # Each with the moment at which it is killed, if it still runs then: it takes about two seconds
    # to start and less to write its parts.
    running_pods: dict[int, tuple[subprocess.Popen[str], float]] = {}
    kills, finished = 0, set[int]()
    deadline = time.monotonic() + 240
    while len(finished) < 2:
        assert time.monotonic() < deadline
        for index in {0, 1} - finished - running_pods.keys():
            # The first ones certainly, before they are done.
            after = 0.3 if not kills else chance.uniform(0.5, 4) if kills < MAX_KILLS else 240
            process = pod(*asked, environ=environ, index=index, pods=2)
            running_pods[index] = process, time.monotonic() + after
        time.sleep(0.01)
        for index, (process, end) in list(running_pods.items()):
            if process.poll() is not None:
                ended(running_pods.pop(index)[0])
                finished.add(index)
            elif time.monotonic() > end:
                del running_pods[index]
                process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
                process.communicate()
                assert process.returncode in (-signal.SIGKILL, -signal.SIGTERM, 143, 0)
                kills += 1
    assert kills
    # Who was killed between its last part and the end leaves this to any other.
    ended(pod(*asked, environ=environ, index=0, pods=2))
    contents = found()
    assert parts(contents) == parts(on_disk(local / "out"))
    assert not [name for name in contents if name.endswith(".tmp")]
