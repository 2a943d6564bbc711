"""`modelctl bump`: a verified bundle's digest enters the first environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.model.bundle import digest_of
from modelctl.cli import cli
from modelctl.errors import ModelctlError, RefusedError
from tests.modelctl.conftest import DIGEST_A, VERSION, make_bundle, run

IMAGE = f"10.88.0.1:5000/ml-model/iris:1.2.0@{DIGEST_A}"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    make_bundle(folder, "1.2.0")
    return folder


def bump(bundle: Path, *arguments: str, model: str = "iris", image: str = IMAGE) -> str:
    base = ("bump", model, "--image", image, "--bundle", str(bundle))
    arguments = arguments or ("--env", "dev")
    result = CliRunner().invoke(cli, [*base, *arguments])
    if result.exception:
        raise result.exception
    return result.output


def test_bump_writes_image_and_bundle_digest(repo: Path, bundle: Path) -> None:
    bump(bundle)
    digest = digest_of((bundle / "manifest.json").read_bytes())
    assert (repo / "environments/dev/iris/version.yaml").read_text() == (
        "image:\n"
        "  repository: 10.88.0.1:5000/ml-model/iris\n"
        "  tag: 1.2.0\n"
        f"  digest: {DIGEST_A}\n"
        "model:\n"
        "  version: 1.2.0\n"
        f"  digest: {digest}\n"
        "chart:\n"
        "  version: 0.1.0\n"
    )


def test_bump_alone_pins_the_chart_of_the_checkout(released: Path) -> None:
    (released / "charts/ml-model/Chart.yaml").write_text("name: ml-model\nversion: 0.2.0\n")
    run("bump", "iris", "--env", "dev")
    path = released / "environments/dev/iris/version.yaml"
    assert path.read_text() == VERSION.replace("version: 0.1.0", "version: 0.2.0")


def test_bump_without_image_needs_a_release(repo: Path) -> None:
    with pytest.raises(ModelctlError, match="image or bundle missing for 'iris'"):
        run("bump", "iris", "--env", "dev")


def test_bump_refuses_a_damaged_bundle_and_writes_nothing(repo: Path, bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"nodel")
    with pytest.raises(RefusedError, match="wrong hash"):
        bump(bundle)
    assert not (repo / "environments/dev/iris/version.yaml").exists()


def test_bump_refuses_an_environment_that_takes_promotions(repo: Path, bundle: Path) -> None:
    with pytest.raises(
        RefusedError, match="'staging' accepts promoted versions only, not new builds"
    ):
        bump(bundle, "--env", "staging")


def test_bump_refuses_the_bundle_of_another_model(repo: Path, bundle: Path) -> None:
    settings = repo / "environments/dev/penguins/settings.yaml"
    settings.parent.mkdir()
    settings.write_text("{}\n")
    with pytest.raises(RefusedError, match="belongs to another model"):
        bump(bundle, "--env", "dev", model="penguins")


@pytest.mark.parametrize(
    "image", ["iris:1.0.0", "registry.example/iris:1.0.0", f"registry.example/iris@{DIGEST_A}"]
)
def test_bump_refuses_an_image_without_tag_and_digest(repo: Path, bundle: Path, image: str) -> None:
    with pytest.raises(ModelctlError, match="is not pinned by tag and digest"):
        bump(bundle, image=image)


def test_a_version_that_no_label_could_bear_is_refused(released: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", "{{ .Values.a }}")
    image = f"registry.example/iris:1.1.0@{DIGEST_A}"
    with pytest.raises(RefusedError, match=r"expected: .*letters, digits and `\._\+-`"):
        run("bump", "iris", "--env", "dev", "--image", image, "--bundle", str(tmp_path / "bundle"))
