"""A rollback to an older chart: it has to exist, and the current settings have to fit it.

Helm is the real one; the registry is a server that answers as the distribution specification says.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelctl.cluster import registry as images
from modelctl.errors import RefusedError
from modelctl.rendering import charts
from tests import rendering
from tests.modelctl.conftest import VERSION, commit_all, run

WORDS = ("rollback", "iris", "--env", "staging", "--reason", "slow")
SCHEMA = """\
{"type": "object", "properties": {"config": {"additionalProperties": false,
 "properties": {"logLevel": {"enum": ["info"]}}}}}
"""


class Registry(BaseHTTPRequestHandler):
    """Has every image, and the charts in `charts`."""

    charts: set[str] = set()  # noqa: RUF012 - of the running test

    def do_HEAD(self) -> None:
        """Answer whether a manifest is there."""
        *_, name, _, reference = self.path.split("/")
        missing = name == "ml-model" and reference not in self.charts
        self.send_response(404 if missing else 200)
        if not missing:
            self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()

    def do_GET(self) -> None:
        """The same, with the body of an error."""
        self.do_HEAD()
        self.wfile.write(b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Registry.charts = {"0.0.9", "0.1.0"}
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def moved(released: Path, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Iris in staging at chart 0.1.0, after 0.0.9; the older chart knows fewer settings."""
    monkeypatch.setenv("HELM", str(rendering.TOOLS / "helm4"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # The registry of a busy machine is slow, not gone.
    monkeypatch.setattr(images, "TIMEOUT_SECONDS", 60)
    location = f"http://{registry}/charts"
    monkeypatch.setenv("CHART_REGISTRY", location)
    old = tmp_path / "old/ml-model"
    old.mkdir(parents=True)
    (old / "Chart.yaml").write_text("apiVersion: v2\nname: ml-model\nversion: 0.0.9\n")
    (old / "values.schema.json").write_text(SCHEMA)
    archive = charts.cached(location, "0.0.9")
    archive.parent.mkdir(parents=True)
    helm = str(rendering.TOOLS / "helm4")
    subprocess.run([helm, "package", old, "-d", archive.parent], check=True, capture_output=True)
    text = VERSION.replace("registry.example", registry)
    path = released / "environments/staging/iris/version.yaml"
    for version, chart in (("0.9.0", "0.0.9"), ("1.0.0", "0.1.0")):
        path.write_text(text.replace("1.0.0", version).replace("0.1.0", chart))
        commit_all(released, f"{version} with chart {chart}")
    return released


def test_a_rollback_to_an_older_chart_is_planned_when_it_is_there_and_fits(moved: Path) -> None:
    output = run(*WORDS)
    assert "could not check" not in output
    assert "+  version: 0.0.9" in output


def test_a_chart_that_its_registry_lacks_is_refused(moved: Path) -> None:
    Registry.charts = {"0.1.0"}
    with pytest.raises(RefusedError, match=r"chart ml-model 0\.0\.9 is missing from its registry"):
        run(*WORDS)
    assert "0.1.0" in (moved / "environments/staging/iris/version.yaml").read_text()
    run(*WORDS, "--no-registry")


def test_settings_that_the_older_chart_refuses_are_refused_with_helms_words(moved: Path) -> None:
    (moved / "environments/staging/iris/settings.yaml").write_text("config:\n  newer: 1\n")
    commit_all(moved, "a setting of the newer chart")
    with pytest.raises(RefusedError, match=r"do not fit chart ml-model 0\.0\.9") as refused:
        run(*WORDS)
    assert "newer" in refused.value.found


def test_a_registry_that_does_not_answer_is_a_note(
    moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHART_REGISTRY", "http://127.0.0.1:9/charts")
    output = run(*WORDS)
    assert "could not check whether chart ml-model 0.0.9 still exists" in output
    assert "could not check the settings against chart ml-model 0.0.9" in output
