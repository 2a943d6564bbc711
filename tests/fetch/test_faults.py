"""What goes wrong on the way: broken connections, restarts, wrong settings, a full disk."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.model.bundle import verify
from tests.fetch import servers
from tests.fetch.conftest import Made, asked, fetch, heard, listing, made, start
from tests.fetch.faults import Wire, wire
from tests.fetch.servers import Server
from tests.ports import free_port

LARGE = 6_000_000
# A minio without TLS; and Python's file server, which sends whole files only.
RANGES = {"s3": True, "http": False}


@pytest.fixture(params=RANGES)
def kind(request: pytest.FixtureRequest) -> str:
    """A store that can continue a file, and one that cannot."""
    name: str = request.param
    return name


@pytest.fixture
def server(running: Callable[[str], Server], kind: str) -> Server:
    return running(kind)


@pytest.fixture
def line(server: Server) -> Iterator[Wire]:
    with wire(server.port) as made_wire:
        yield made_wire


@pytest.fixture
def bundle() -> Made:
    """One large file and a small one."""
    return made(sample_json=b"[1]", model_bin=bytes(range(256)) * (LARGE // 256))


def through(line: Wire, server: Server, url: str) -> tuple[str, dict[str, str]]:
    """The URL and the variables that lead over the wire."""
    near = f"127.0.0.1:{line.port}"
    far = f"127.0.0.1:{server.port}"
    changed = {
        key: value.replace(far, near) for key, value in server.environ.items() if far in value
    }
    return url.replace(far, near), changed


def test_nothing_else_is_asked_for_before_the_digest_is_right(
    server: Server, line: Wire, place: str, bundle: Made, tmp_path: Path
) -> None:
    url, over = through(line, server, bundle.put(server, place))
    said = fetch(asked(server, url, "sha256:" + "0" * 64, tmp_path / "m", **over))
    assert said.code == 3
    assert line.paths() == ["manifest.json"]


def test_broken_connection_is_taken_up_where_it_broke(
    server: Server, line: Wire, kind: str, place: str, bundle: Made, tmp_path: Path
) -> None:
    url, over = through(line, server, bundle.put(server, place))
    line.cuts = [100_000_000]
    fetch(asked(server, url, bundle.digest, tmp_path / "whole", **over))
    whole, line.bytes, line.requests = line.bytes, 0, []
    line.cuts = [4_000_000]
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m", FETCH_CONCURRENCY="1", **over))
    assert said.code == 0, said
    assert verify(tmp_path / "m", bundle.digest)
    assert len(said.events("fetch_retried")) == 1
    if RANGES[kind]:
        assert said.events("file_continued")[0]["from_byte"] > 1_000_000
        assert any(asked_for.startswith("bytes=") for _, _, asked_for in line.requests)
        assert line.bytes < whole * 1.4
    else:
        assert len(said.events("file_restarted")) == 1


def test_container_that_is_stopped_goes_on_at_its_next_start(
    server: Server, line: Wire, kind: str, place: str, tmp_path: Path
) -> None:
    bundle = made(first_bin=b"1" * 1_000_000, second_bin=b"2" * 8_000_000)
    url, over = through(line, server, bundle.put(server, place))
    variables = asked(server, url, bundle.digest, tmp_path / "m", FETCH_CONCURRENCY="1", **over)
    # The connection hangs in a retry when the process is told to end.
    line.cuts = [5_000_000, *[0] * 50]
    process = start(variables)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "m").glob("first_bin")) or len(line.cuts) > 49:
        assert time.monotonic() < deadline, line.cuts
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert heard(process).code == 143
    assert "manifest.json" not in listing(tmp_path / "m")

    line.cuts = []
    said = fetch(variables)
    assert said.code == 0, said
    assert [entry["file"] for entry in said.events("file_kept")] == ["first_bin"]
    assert len(said.events("file_continued")) == 1
    assert said.last["fetched_bytes"] < 8_000_000 or not RANGES[kind]
    assert listing(tmp_path / "m") == sorted(bundle.files)


def test_complete_folder_is_not_fetched_again_and_a_damaged_file_is(
    server: Server, line: Wire, place: str, bundle: Made, tmp_path: Path
) -> None:
    url, over = through(line, server, bundle.put(server, place))
    variables = asked(server, url, bundle.digest, tmp_path / "m", **over)
    assert fetch(variables).code == 0
    line.requests = []
    again = fetch(variables)
    assert (again.code, again.last["fetched_bytes"], line.requests) == (0, 0, [])
    (tmp_path / "m" / "sample_json").write_bytes(b"[2]")
    repaired = fetch(variables)
    assert (repaired.code, repaired.last["fetched_bytes"], line.paths()) == (0, 3, ["sample_json"])
    assert verify(tmp_path / "m", bundle.digest)


def test_store_that_never_delivers_is_given_up_with_the_reason(
    server: Server, line: Wire, place: str, bundle: Made, tmp_path: Path
) -> None:
    url, over = through(line, server, bundle.put(server, place))
    line.cuts = [0] * 50
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m", FETCH_ATTEMPTS="3", **over))
    assert said.code == 3
    assert said.last["what"] == f"the store of {url} does not deliver manifest.json"
    assert len(said.events("fetch_retried")) == 2
    assert "network policies" in said.last["fix"]


@pytest.mark.parametrize("kind", ["http"], indirect=True)
def test_full_disk_is_named(server: Server, place: str, bundle: Made, tmp_path: Path) -> None:
    limit = 1_000_000
    said = fetch(
        asked(server, bundle.put(server, place), bundle.digest, tmp_path / "m"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert said.code == 3
    assert said.last["what"] == f"{tmp_path / 'm'} has no room for the bundle"
    assert "sizeLimit" in said.last["fix"]


@pytest.mark.parametrize("kind", ["http"], indirect=True)
def test_bundle_larger_than_its_volume_is_refused_before_its_files(
    server: Server, line: Wire, place: str, bundle: Made, tmp_path: Path
) -> None:
    url, over = through(line, server, bundle.put(server, place))
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m", FETCH_MAX_BYTES="99", **over))
    assert said.code == 3
    assert said.last["what"] == "the bundle is larger than the volume for it"
    assert line.paths() == ["manifest.json"]


@pytest.mark.parametrize("kind", ["http"], indirect=True)
@pytest.mark.parametrize("name", ["..__evil", "__etc__evil", ".partial__evil"])
def test_path_that_leaves_the_folder_is_refused_although_the_digest_is_right(
    server: Server, place: str, name: str, tmp_path: Path
) -> None:
    bundle = made(**{name: b"evil"})
    (url,) = {Made({"manifest.json": bundle.files["manifest.json"]}, "").put(server, place)}
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m"))
    assert said.code == 3
    assert "evil" in said.last["found"]
    assert listing(tmp_path) == []


@pytest.mark.parametrize("kind", ["http"], indirect=True)
def test_folder_of_symbolic_links_and_strays_is_refused(
    server: Server, place: str, tmp_path: Path
) -> None:
    bundle = made(parts__a=b"a")
    url = bundle.put(server, place)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "parts").symlink_to(tmp_path / "elsewhere")
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m"))
    assert (said.code, said.last["what"]) == (3, "the folder of 'parts/a' is a symbolic link")
    assert listing(tmp_path / "elsewhere") == []
    (tmp_path / "m" / "parts").unlink()
    (tmp_path / "m" / "stray").write_text("left by somebody")
    said = fetch(asked(server, url, bundle.digest, tmp_path / "m"))
    assert (said.code, said.last["found"]) == (3, "'stray'")


@pytest.mark.parametrize("kind", ["http"], indirect=True)
def test_memory_does_not_grow_with_the_bundle(server: Server, place: str, tmp_path: Path) -> None:
    bundle = made(a=b"a" * 60_000_000, b=b"b" * 60_000_000, c=b"c" * 60_000_000)
    url = bundle.put(server, place)
    process = start(asked(server, url, bundle.digest, tmp_path / "m"))
    peak = 0
    while process.poll() is None:
        # Not by getrusage: there a child inherits what its parent had at the fork.
        with suppress(OSError, StopIteration):
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = int(next(line.split()[1] for line in status if line.startswith("VmHWM")))
        time.sleep(0.01)
    assert heard(process).code == 0
    print(f"most memory: {peak // 1024} MiB for {sum(map(len, bundle.files.values()))} bytes")
    assert 10_000 < peak < 100_000


@pytest.fixture
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A minio whose certificate is of an authority that nobody knows, and its certificate."""
    folder = tmp_path_factory.mktemp("tls")
    authority = servers.certificates(folder / "certs")
    with servers.minio(folder, free_port(), authority) as server:
        yield server, authority


def test_private_authority_is_trusted_when_it_is_given(
    certified: tuple[Server, Path], bundle: Made, tmp_path: Path
) -> None:
    server, authority = certified
    url = bundle.put(server, "iris")
    variables = asked(server, url, bundle.digest, tmp_path / "m", FETCH_ALLOW_HTTP="false")
    refused = fetch(variables)
    assert refused.code == 3
    assert "UnknownIssuer" in refused.last["found"]
    assert refused.last["fix"] == "give the store's certificate authority (FETCH_CA_FILE)"
    assert fetch(variables | {"FETCH_CA_FILE": str(authority)}).code == 0
