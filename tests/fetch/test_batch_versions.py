"""An input that is overwritten or deleted while it is predicted, in buckets that keep versions."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import obstore
import pytest

from tests import trained
from tests.fetch import signed
from tests.fetch.faults import toxic
from tests.fetch.servers import VERSIONED, Server
from tests.fetch.test_batch import (
    ENDINGS,
    OPTIONS,
    ended,
    local,
    modelctl,
    objects,
    on_disk,
    parts,
    pod,
)
from tests.modelctl.batch.test_run import rows, write

__all__ = ["local"]
BUNDLE = ("--bundle", trained.bundle("penguins"))


class Versions:
    """A bucket that keeps versions, in one of the stores that can."""

    def __init__(self, kind: str, server: Server) -> None:
        self.kind, self.server = kind, server
        self.url = f"{kind}://{VERSIONED}"

    def put(self, name: str, data: bytes) -> None:
        if self.kind == "gs":
            self.server.put(name, data, VERSIONED)  # type: ignore[call-arg]  # of gcs alone
        else:
            obstore.put(objects(self.server, VERSIONED), name, data)

    def delete(self, name: str) -> None:
        if self.kind == "s3":
            obstore.delete(objects(self.server, VERSIONED), name)
            return
        place = name.replace("/", "%2F")
        url = f"http://127.0.0.1:{self.server.port}/storage/v1/b/{VERSIONED}/o/{place}"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()

    def overwrite(self, folder: Path, place: str) -> None:
        """Other rows in each file."""
        for seed, ending in enumerate(ENDINGS):
            file = write(rows(310, seed + 10), folder / f"other.{ending}")
            self.put(f"{place}/in/rows.{ending}", file.read_bytes())


@pytest.fixture(scope="session")
def versioned(running: Callable[[str], Server]) -> Callable[[str], Versions]:
    """The bucket of a store."""
    made: dict[str, Versions] = {}

    def get(kind: str) -> Versions:
        if kind not in made:
            server = running(kind)
            if kind == "s3":
                signed.make_versioned(server)
            made[kind] = Versions(kind, server)
        return made[kind]

    return get


def planned(bucket: Versions, local: Path, place: str, out: Path) -> tuple[object, ...]:
    """Upload the rows and plan them; the arguments of a pod for that."""
    for ending in ENDINGS:
        bucket.put(f"{place}/in/rows.{ending}", (local / f"in/rows.{ending}").read_bytes())
    asked = ("--input", f"{bucket.url}/{place}/in", "--out", out, *OPTIONS)
    modelctl("plan", *BUNDLE, *asked, environ=bucket.server.environ)
    return asked


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_the_planned_version_is_read_after_the_object_was_overwritten(
    kind: str, versioned: Callable[[str], Versions], local: Path, place: str, tmp_path: Path
) -> None:
    bucket, out = versioned(kind), tmp_path / "out"
    asked = planned(bucket, local, place, out)
    bucket.overwrite(tmp_path, place)
    ended(pod(*asked, environ=bucket.server.environ))
    assert parts(on_disk(out)) == parts(on_disk(local / "out"))
    # A new plan is one of what is there now.
    other = tmp_path / "now"
    again = planned(bucket, local, place, other)
    bucket.overwrite(tmp_path, place)
    for name in list(on_disk(other)):
        (other / name).unlink()
    ended(pod(*again, environ=bucket.server.environ))
    assert parts(on_disk(other)) != parts(on_disk(out))


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_the_planned_version_is_read_after_the_object_was_deleted(
    kind: str, versioned: Callable[[str], Versions], local: Path, place: str, tmp_path: Path
) -> None:
    bucket, out = versioned(kind), tmp_path / "out"
    asked = planned(bucket, local, place, out)
    bucket.delete(f"{place}/in/rows.csv")
    # Pods look at what is there, as a plan of somebody else may be of other inputs.
    said = ended(pod(*asked, environ=bucket.server.environ), code=3)[-1]
    assert "planned with another input" in str(said["what"])
    modelctl("run", out, *BUNDLE, environ=bucket.server.environ)
    assert parts(on_disk(out)) == parts(on_disk(local / "out"))


def test_an_object_that_is_overwritten_while_it_is_read_is_read_as_planned(
    versioned: Callable[[str], Versions], local: Path, place: str, tmp_path: Path
) -> None:
    bucket, out = versioned("s3"), tmp_path / "out"
    asked = planned(bucket, local, place, out)
    with toxic(bucket.server.port, 0, seed=1) as proxy:
        # Files are read one after the other: the first has parts by then.
        proxy.hold(r"GET \S*/in/rows\.parquet")
        process = pod(
            *asked,
            environ=bucket.server.environ | {"FETCH_ENDPOINT": f"http://127.0.0.1:{proxy.port}"},
        )
        assert proxy.holding.wait(120)
        bucket.overwrite(tmp_path, place)
        proxy.release()
        ended(process)
        by_version = [one for one in proxy.requests if "versionId=" in one]
    assert parts(on_disk(out)) == parts(on_disk(local / "out"))
    assert by_version
    # The newest is asked for once for each time that the file is opened: twice for a part.
    first = proxy.requests.index(by_version[0])
    later = [one for one in proxy.requests[first:] if re.match(r"GET \S*rows\.parquet", one)]
    newest = [one for one in later if one not in by_version]
    assert len(newest) <= 2 * 5 < len(later) - len(newest)


def test_a_planned_version_that_is_gone_or_closed_is_refused(
    versioned: Callable[[str], Versions], local: Path, place: str, tmp_path: Path
) -> None:
    bucket, out = versioned("s3"), tmp_path / "out"
    asked = planned(bucket, local, place, out)
    key = f"{place}/in/rows.csv"
    version = obstore.head(objects(bucket.server, VERSIONED), key)["version"]
    assert version
    bucket.put(key, write(rows(310, 9), tmp_path / "other.csv").read_bytes())
    with toxic(bucket.server.port, 0, seed=1) as proxy:
        proxy.fail_once(r"GET \S*versionId=", "403")
        through = {"FETCH_ENDPOINT": f"http://127.0.0.1:{proxy.port}"}
        said = ended(pod(*asked, environ=bucket.server.environ | through), code=3)[-1]
    assert said["what"] == "rows.csv changed after it was planned"
    assert f"version {version}" in str(said["expected"])
    assert said["found"] == "another version, and no right to read that one"
    signed.s3(bucket.server, "DELETE", f"/{VERSIONED}/{key}", f"versionId={version}")
    said = ended(pod(*asked, environ=bucket.server.environ), code=3)[-1]
    assert said["what"] == "rows.csv changed after it was planned"
    assert said["found"] == "no object"
    assert not (out / "_SUCCESS.json").exists()
