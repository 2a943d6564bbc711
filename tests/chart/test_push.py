"""`make push-chart`: what a release does, into a registry on this machine."""

from __future__ import annotations

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.wait import Answer, wait_until
from tests import rendering
from tests.paths import ROOT
from tests.ports import free_port

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def get(url: str, **headers: str) -> bytes | None:
    """What is there; None when nobody answers or there is nothing."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as got:
            body: bytes = got.read()
            return body
    except (urllib.error.URLError, ConnectionError):
        return None


def look(address: str) -> Answer:
    """Whether a registry answers there."""
    answers = get(f"http://{address}/v2/") is not None
    return Answer(answers, "answers" if answers else "no answer")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Host and port of an empty registry."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("*** LEFT OUT: pushing the chart: it needs Debian's docker-registry ***")
    address = f"127.0.0.1:{free_port()}"
    settings = tmp_path / "registry.yml"
    settings.write_text(
        yaml.safe_dump(
            {
                "version": "0.1",
                "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
                "http": {"addr": address},
            }
        )
    )
    log = tmp_path / "registry.log"
    with log.open("wb") as output:
        server = subprocess.Popen([program, "serve", str(settings)], stdout=output, stderr=output)
    try:
        wait_until("the registry", lambda: look(address), 60, log=log)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_the_pushed_chart_is_found_by_the_digest_that_is_signed(registry: str) -> None:
    helm = rendering.tool("helm4")
    words = ["push-chart", f"REGISTRY={registry}/charts", "PUSH_ARGS=--plain-http"]
    subprocess.run(["make", "--no-print-directory", *words], cwd=ROOT, check=True)
    digest = (ROOT / "build/charts/pushed").read_text().strip()
    url = f"http://{registry}/v2/charts/ml-model/manifests/{digest}"
    assert get(url, Accept=MANIFEST) is not None
    shown = subprocess.run(
        [str(helm), "show", "chart", f"oci://{registry}/charts/ml-model", "--plain-http"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    ours = yaml.safe_load((rendering.CHART / "Chart.yaml").read_text())
    assert yaml.safe_load(shown)["version"] == ours["version"]


def push(registry: str, *words: str) -> subprocess.CompletedProcess[str]:
    arguments = ["push-chart", f"REGISTRY={registry}/charts", "PUSH_ARGS=--plain-http", *words]
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_release_that_is_run_again_gives_the_same_digest(registry: str) -> None:
    """Helm writes the time of the file into the manifest, so that would be another one."""
    digests = set()
    for _ in range(2):
        done = push(registry)
        assert done.returncode == 0, done.stderr
        digests.add((ROOT / "build/charts/pushed").read_text())
    assert len(digests) == 1


def test_a_published_version_is_not_replaced(registry: str, tmp_path: Path) -> None:
    """A tag of git was moved, or another fork pushed: what runs would change without a commit."""
    other = tmp_path / "ml-model"
    shutil.copytree(rendering.CHART, other)
    with (other / "values.yaml").open("a", encoding="utf-8") as values:
        values.write("# another\n")
    helm = str(rendering.tool("helm4"))
    subprocess.run([helm, "package", str(other), "-d", str(tmp_path)], check=True)
    (archive,) = tmp_path.glob("*.tgz")
    published = f"oci://{registry}/charts"
    subprocess.run([helm, "push", str(archive), published, "--plain-http"], check=True)
    done = push(registry)
    assert done.returncode != 0
    assert "is published with other content" in done.stdout + done.stderr
    assert "Pushed:" not in done.stdout + done.stderr


def test_a_registry_that_takes_nothing_is_a_failure() -> None:
    words = ["push-chart", "REGISTRY=127.0.0.1:1/charts", "PUSH_ARGS=--plain-http"]
    done = subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "Pushed:" not in done.stdout + done.stderr


def test_the_notes_of_a_release_are_the_newest_section() -> None:
    command = ["make", "--no-print-directory", "release-notes"]
    notes = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    version = yaml.safe_load((rendering.CHART / "Chart.yaml").read_text())["version"]
    assert notes.splitlines()[0] == f"## {version}"
    assert notes.count("\n## ") == 0
    assert notes.count("\n- ") > 0
