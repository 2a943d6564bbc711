"""Which models a change rebuilds, and what the build of an image is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.supply import builds
from sandbox import images
from sandbox.bundles import Bundle
from tests.modelctl.conftest import commit_all, make_bundle


@pytest.fixture
def sources(repo: Path) -> Path:
    """Two models with training code, and the service."""
    for name in ("models/iris/model.yaml", "models/churn/model.yaml", "app/routes.py"):
        path = repo / name
        path.parent.mkdir(parents=True)
        path.write_text("x\n")
    (repo / ".gitignore").write_text("/build/\n")
    commit_all(repo, "sources")
    return repo


def head(root: Path) -> str:
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def edit(root: Path, name: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed\n")
    commit_all(root, name)


@pytest.mark.parametrize(
    ("name", "rebuilt"),
    [
        ("models/iris/train.py", ["iris"]),
        ("models/new/model.yaml", ["new"]),
        ("models/iris/deep/er/rows.csv", ["iris"]),
        # No model's folder: any model may use it.
        ("models/common/steps.py", ["churn", "iris"]),
        ("models/steps.py", ["churn", "iris"]),
        ("app/errors.py", ["churn", "iris"]),
        ("Dockerfile", ["churn", "iris"]),
        ("requirements/serve.txt", ["churn", "iris"]),
        ("environments/dev/iris/settings.yaml", []),
        ("README.md", []),
    ],
)
def test_a_change_rebuilds_the_models_it_is_in(
    sources: Path, name: str, rebuilt: list[str]
) -> None:
    base = head(sources)
    edit(sources, name)
    assert builds.changed(sources, base) == rebuilt


def test_a_model_that_is_gone_is_not_rebuilt(sources: Path) -> None:
    base = head(sources)
    (sources / "models/churn/model.yaml").unlink()
    commit_all(sources, "without churn")
    assert builds.changed(sources, base) == []


def test_of_two_builds_at_once_only_the_newer_is_released(sources: Path) -> None:
    """Whichever ends last: each asks at the tip of main what has changed since its own commit."""
    edit(sources, "models/iris/train.py")
    older = head(sources)
    edit(sources, "models/iris/model.yaml")
    newer = head(sources)
    # The commit of a bump, as the newer build makes it, does not count.
    edit(sources, "environments/dev/iris/version.yaml")
    assert builds.changed(sources, older) == ["iris"]
    assert builds.changed(sources, newer) == []


@pytest.fixture
def bundle(sources: Path) -> str:
    """A bundle of iris where `make` puts it; returns its digest."""
    return make_bundle(sources / "build/bundles/iris", "1.2.0")


def test_a_build_is_told_bundle_engine_and_tag(
    sources: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builds.main(["inputs", "iris"]) == 0
    commit = head(sources)
    assert capsys.readouterr().out == (
        "requirements=serve\n"
        "bundle=build/bundles/iris\n"
        f"digest={bundle}\n"
        "version=1.2.0\n"
        f"tag=1.2.0-{commit[:12]}\n"
        f"commit={commit}\n"
    )


def test_a_bundle_that_was_changed_is_not_built(
    sources: Path, bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (sources / "build/bundles/iris/model.onnx").write_bytes(b"other")
    assert builds.main(["inputs", "iris"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "model.onnx" in captured.err


def test_a_model_that_does_not_exist_is_refused(sources: Path) -> None:
    with pytest.raises(ModelctlError, match=r"(?s)unknown model 'flower'.*one of churn, iris"):
        builds.inputs(sources, "flower")


def test_what_changed_is_printed_as_the_list_that_a_workflow_reads(
    sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = head(sources)
    edit(sources, "app/errors.py")
    assert builds.main(["changed", base]) == 0
    assert json.loads(capsys.readouterr().out) == ["churn", "iris"]


def test_the_sandbox_builds_with_the_same_requirements() -> None:
    """It may not import modelctl, so the table is there a second time."""
    assert builds.REQUIREMENTS == images.REQUIREMENTS
    assert builds.BOOSTERS == images.BOOSTERS
    assert builds.BOOSTER_REQUIREMENTS == images.BOOSTER_REQUIREMENTS


@pytest.mark.parametrize(
    ("engine", "libraries", "expected"),
    [
        ("onnx", {"scikit-learn": "1", "xgboost": "3"}, "serve"),
        ("sklearn", {"scikit-learn": "1"}, "serve-sklearn"),
        ("sklearn", {"scikit-learn": "1", "xgboost": "3"}, "serve-boosters"),
        ("sklearn", {"scikit-learn": "1", "lightgbm": "4"}, "serve-boosters"),
        ("sklearn", {"scikit-learn": "1", "catboost": "1"}, "serve-boosters"),
    ],
)
def test_an_image_has_the_boosting_library_that_its_engine_needs(
    engine: str, libraries: dict[str, str], expected: str
) -> None:
    manifest = {"engine": engine, "environment": {"libraries": libraries}}
    assert builds.requirements_of(manifest) == expected
    bundle = Bundle(Path("bundle"), "iris", "1.0.0", engine, "sha256:one", frozenset(libraries))
    assert images.requirements_of(bundle) == expected
