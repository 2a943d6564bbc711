"""`modelctl bump --from`: what a training left is proposed once, and never another bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.model.bundle import Bundle, digest_of, verify
from modelctl.errors import ModelctlError, RefusedError, UsageError
from modelctl.training.results import Shelf
from tests.modelctl.conftest import DIGEST_A, commit_all, make_bundle, run

DOWNLOAD = """\
model:
  download:
    url: 's3://bundles/iris/bundles/{{ .Values.model.digest | trimPrefix "sha256:" }}'
"""
METRICS = {"accuracy": 0.96}


def trained(out: Path, version: str) -> Bundle:
    """A bundle that a training has left."""
    folder = out.parent / f"bundle-{version}"
    make_bundle(folder, version, metrics=METRICS)
    bundle = verify(folder)
    Shelf(str(out), "iris").add(bundle, version)
    return bundle


@pytest.fixture
def downloading(released: Path) -> Path:
    """A release whose bundle is downloaded."""
    settings = released / "environments/dev/iris/settings.yaml"
    settings.write_text(settings.read_text() + DOWNLOAD)
    commit_all(released, "download the bundle")
    return released


def version_file(root: Path) -> str:
    return (root / "environments/dev/iris/version.yaml").read_text()


def bump(out: Path, *options: str) -> str:
    return run("bump", "iris", "--env", "dev", "--from", str(out), *options)


def test_the_newest_result_becomes_the_version_and_the_image_stays(
    downloading: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    trained(out, "1.1.0")
    bundle = trained(out, "1.2.0")
    bump(out)
    written = version_file(downloading)
    assert f"  version: 1.2.0\n  digest: {bundle.digest}\n" in written
    assert f"  tag: 1.0.0\n  digest: {DIGEST_A}\n" in written
    # Whose chart is the release's own.
    assert "chart:\n  version: 0.1.0\n" in written


def test_what_serves_is_not_proposed_again(downloading: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trained(out, "1.1.0")
    bump(out)
    commit_all(downloading, "a training")
    before = version_file(downloading)
    bump(out)
    assert version_file(downloading) == before


def test_what_the_environment_went_back_from_is_not_proposed_again(
    downloading: Path, tmp_path: Path
) -> None:
    out, before = tmp_path / "out", version_file(downloading)
    bundle = trained(out, "1.1.0")
    bump(out)
    commit_all(downloading, "a training")
    (downloading / "environments/dev/iris/version.yaml").write_text(before)
    commit_all(downloading, "back: it was worse")
    said = bump(out)
    assert version_file(downloading) == before
    assert f"dev had the newest result before: {bundle.digest}" in said
    assert "back: it was worse" in said
    newer = trained(out, "1.2.0")
    bump(out)
    assert newer.digest in version_file(downloading)


def test_a_release_that_does_not_download_by_the_digest_is_refused(
    released: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    trained(out, "1.1.0")
    with pytest.raises(RefusedError, match="its bundle is in its image"):
        bump(out)
    settings = released / "environments/dev/iris/settings.yaml"
    settings.write_text("model:\n  download:\n    url: s3://bundles/{{ .Values.model.version }}\n")
    with pytest.raises(RefusedError, match="does not download the bundle of its digest") as refused:
        bump(out)
    expected = f'{out}/iris/bundles/{{{{ .Values.model.digest | trimPrefix "sha256:" }}}}'
    assert expected in refused.value.expected


@pytest.mark.parametrize("file", ["manifest.json", "result"])
def test_a_store_that_says_something_else_is_refused(
    file: str, downloading: Path, tmp_path: Path
) -> None:
    out, before = tmp_path / "out", version_file(downloading)
    bundle = trained(out, "1.1.0")
    folder = out / "iris/bundles" / bundle.digest.removeprefix("sha256:")
    if file == "result":
        (path,) = out.glob("iris/results/*.json")
        document = json.loads(path.read_text())
        # The digest of a bundle that is there, but of another manifest.
        other = out / "iris/bundles" / ("0" * 64)
        folder.rename(other)
        path.write_text(json.dumps({**document, "digest": f"sha256:{'0' * 64}"}))
    else:
        manifest = json.loads((folder / file).read_bytes())
        (folder / file).write_text(json.dumps({**manifest, "version": "6.6.6"}))
        assert digest_of((folder / file).read_bytes()) != bundle.digest
    with pytest.raises(RefusedError, match="is not what its result says"):
        bump(out)
    assert version_file(downloading) == before


def test_a_version_that_no_version_file_may_have_is_refused(
    downloading: Path, tmp_path: Path
) -> None:
    out, before = tmp_path / "out", version_file(downloading)
    trained(out, "1 of many")
    with pytest.raises(RefusedError, match="has a version that no version file may have"):
        bump(out)
    assert version_file(downloading) == before


def test_without_a_result_or_a_release_it_says_what_to_do(
    repo: Path, downloading: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelctlError, match="no result of 'iris'") as missing:
        bump(tmp_path / "nowhere")
    assert "modelctl train iris --out" in missing.value.fix
    (repo / "environments/dev/iris/version.yaml").unlink()
    with pytest.raises(ModelctlError, match="has no release in dev"):
        bump(tmp_path / "nowhere")


def test_two_sources_of_a_bundle_exclude_each_other(downloading: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        bump(tmp_path, "--image", f"registry.example/iris:1@{DIGEST_A}")
