"""What a version needs beside git: image, bundle in an image, download; really asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.model.bundle import digest_of
from modelctl.cluster import artifacts
from modelctl.cluster.registry import Presence
from modelctl.repository.checkout import Repository
from tests import standin
from tests.modelctl.conftest import DIGEST_A, DIGEST_B, VERSION, commit_all, run

MANIFEST = b'{"name":"iris"}'


class Handler(standin.Quiet):
    """A registry with an image, a bundle at the tag 1.0.0, and a web server with a download."""

    def do_HEAD(self) -> None:
        there = (f"/v2/mirror/iris/manifests/{DIGEST_A}", "/v2/bundles/iris/manifests/1.0.0")
        self.send_response(200 if self.path in there else 404)
        self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        self.end_headers()

    def do_GET(self) -> None:
        unknown = b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
        missing = (404, unknown if self.path.startswith("/v2/") else b"<h1>Not Found</h1>")
        answers = {
            "/iris/1.0.0/manifest.json": (200, MANIFEST),
            "/private/manifest.json": (403, b""),
            "/portal/manifest.json": (200, b"<h1>Log in</h1>"),
            "/s3/manifest.json": (404, b"<Error><Code>NoSuchKey</Code></Error>"),
            "/no-bucket/manifest.json": (404, b"<Error><Code>NoSuchBucket</Code></Error>"),
        }
        self.reply(*answers.get(self.path, missing))


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with standin.serving(Handler) as host:
        yield host


def set_up(root: Path, host: str, settings: str, model_version: str = "1.0.0") -> None:
    """Make dev's iris need what `settings` say, in the version of that name."""
    folder = root / "environments/dev/iris"
    (folder.parent / "common.yaml").write_text(f"global:\n  imageRegistry: {host}/mirror\n")
    (folder / "settings.yaml").write_text(settings.replace("HOST", host))
    digest = digest_of(MANIFEST)
    text = VERSION.replace("registry.example/iris", "iris").replace(DIGEST_B, digest)
    version = text.replace("  version: 1.0.0", f"  version: {model_version}")
    (folder / "version.yaml").write_text(version)


def findings(root: Path) -> list[artifacts.ArtifactCheck]:
    repository = Repository.find(root)
    dev = repository.environment("dev")
    version = repository.version(dev, "iris")
    assert version
    return artifacts.check(repository, dev, "iris", version)


BUNDLE_IMAGE = "model:\n  imageVolume:\n    repository: HOST/bundles/iris\n"
DOWNLOAD = "model:\n  download:\n    url: http://HOST/{}\n"
BY_VERSION = DOWNLOAD.format("iris/{{ .Values.model.version }}")


@pytest.mark.parametrize(
    ("settings", "version", "presence", "note"),
    [
        (BUNDLE_IMAGE, "1.0.0", Presence.THERE, ""),
        (BUNDLE_IMAGE, "0.9.0", Presence.GONE, "bundles/iris:0.9.0 is missing from its registry"),
        (BY_VERSION, "1.0.0", Presence.THERE, ""),
        (BY_VERSION, "0.9.0", Presence.UNKNOWN, "answered HTTP 404, which proves nothing"),
        (DOWNLOAD.format("s3"), "1.0.0", Presence.GONE, "/s3 is missing: new pods will not start"),
        (DOWNLOAD.format("no-bucket"), "1.0.0", Presence.UNKNOWN, "which proves nothing"),
        (DOWNLOAD.format("portal"), "1.0.0", Presence.UNKNOWN, "not with a bundle's manifest"),
        (DOWNLOAD.format("private"), "1.0.0", Presence.UNKNOWN, "requires credentials"),
        (DOWNLOAD.format("{{ tpl . }}"), "1.0.0", Presence.UNKNOWN, "only Helm can resolve"),
        (
            "model:\n  download:\n    url: s3://b/iris\n",
            "1.0.0",
            Presence.UNKNOWN,
            "s3:// requires credentials",
        ),
        (
            "model:\n  download:\n    url: http://127.0.0.1:1/\n",
            "1.0.0",
            Presence.UNKNOWN,
            "127.0.0.1:1 is not reachable",
        ),
    ],
    ids=[
        *("image", "image-gone", "download", "404", "no-such-key", "no-such-bucket", "portal"),
        *("403", "template", "s3", "silent"),
    ],
)
def test_a_bundle_outside_the_image_is_looked_for(
    released: Path, host: str, settings: str, version: str, presence: Presence, note: str
) -> None:
    set_up(released, host, settings, version)
    image, bundle = findings(released)
    assert image.presence is Presence.THERE
    assert bundle.presence is presence
    assert note in bundle.note
    assert bool(note) is bool(bundle.note)


def test_a_download_is_gone_if_its_host_has_the_current_one(released: Path, host: str) -> None:
    set_up(released, host, BY_VERSION)
    repository = Repository.find(released)
    dev = repository.environment("dev")
    current = repository.version(dev, "iris")
    assert current
    model = current.model.model_copy(update={"version": "0.9.0"})
    older = current.model_copy(update={"model": model})
    _, bundle = artifacts.check(repository, dev, "iris", older)
    assert bundle.presence is Presence.GONE
    assert "/iris/0.9.0 is missing: new pods will not start" in bundle.note


def test_a_folder_that_was_written_over_does_not_pass_for_the_bundle(
    released: Path, host: str
) -> None:
    set_up(released, host, BY_VERSION)
    path = released / "environments/dev/iris/version.yaml"
    path.write_text(path.read_text().replace(digest_of(MANIFEST), DIGEST_B))
    _, bundle = findings(released)
    assert bundle.presence is Presence.GONE
    assert "another bundle at http://" in bundle.note
    assert artifacts.worst_presence(findings(released)) is Presence.GONE


def test_rollback_warns_of_a_bundle_that_is_gone(released: Path, host: str) -> None:
    set_up(released, host, BUNDLE_IMAGE, "0.9.0")
    commit_all(released, "older")
    set_up(released, host, BUNDLE_IMAGE, "1.0.0")
    commit_all(released, "newer")
    words = ("rollback", "iris", "--env", "dev", "--reason", "broken", "--dry-run")
    warning = f"warning: {host}/bundles/iris:0.9.0 is missing from its registry"
    assert warning in run(*words)
    assert "missing" not in run(*words, "--no-registry")
