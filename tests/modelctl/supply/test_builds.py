"""Which models a change rebuilds, and what the build of an image is told."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.packaging import fingerprint
from modelctl.repository.versions import parse_image
from modelctl.supply import builds
from sandbox import images
from sandbox.bundles import Bundle
from tests.modelctl.conftest import commit_all, make_bundle
from tests.paths import ROOT


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


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def head(root: Path) -> str:
    return git(root, "rev-parse", "HEAD")


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
        ("requirements/serve-boosters.txt", ["churn", "iris"]),
        ("requirements/uv.txt", ["churn", "iris"]),
        # Trains and packages; a scanner's own environment is in no image.
        ("requirements/train.txt", ["churn", "iris"]),
        ("requirements/checkov.txt", []),
        ("modelctl/packaging/lowering/trees.py", ["churn", "iris"]),
        ("modelctl/errors.py", ["churn", "iris"]),
        ("modelctl/promotion/bump.py", []),
        ("models/iris/données é.csv", ["iris"]),
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


def test_a_file_that_moves_rebuilds_the_model_it_came_from_too(sources: Path) -> None:
    """Git would call it a rename, and name the new place alone."""
    edit(sources, "models/iris/rows.csv")
    base = head(sources)
    (sources / "models/iris/rows.csv").rename(sources / "models/churn/rows.csv")
    commit_all(sources, "move")
    assert builds.changed(sources, base) == ["churn", "iris"]


@pytest.mark.parametrize("base", ["0" * 40, "0" * 64, "1234567890" * 4, ""])
def test_without_the_commit_before_everything_is_rebuilt(
    sources: Path, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first push of a repository has none; a force push took it away."""
    assert builds.changed(sources, base) == ["churn", "iris"]
    assert "every model" in capsys.readouterr().err


def test_after_a_force_push_the_files_are_compared_not_the_history(sources: Path) -> None:
    edit(sources, "models/iris/train.py")
    before = head(sources)
    git(sources, "reset", "--quiet", "--hard", "HEAD^")
    edit(sources, "models/churn/train.py")
    assert builds.changed(sources, before) == ["churn", "iris"]


def test_a_shallow_clone_rebuilds_everything(
    sources: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = head(sources)
    edit(sources, "models/iris/train.py")
    clone = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", sources.as_uri(), str(clone))
    assert builds.changed(clone, base) == ["churn", "iris"]
    assert "shallow" in capsys.readouterr().err


@pytest.mark.parametrize("base", ["orgin/main", "--output=x", "0000000", "abc"])
def test_a_misspelt_base_is_an_error(sources: Path, base: str) -> None:
    with pytest.raises(ModelctlError, match="commit"):
        builds.changed(sources, base)
    assert not (sources / "x").exists()


def test_one_model_is_built_on_demand(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert builds.main(["changed", "--since", "", "--only", "iris"]) == 0
    assert json.loads(capsys.readouterr().out) == ["iris"]


@pytest.mark.parametrize("asked", ["flower", '["iris"]', "iris' ; id", "$(shell id)", "../iris"])
def test_what_is_no_model_is_not_built_on_demand(
    sources: Path, asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builds.main(["changed", "--since", "", "--only", asked]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "one of churn, iris" in said.err


def test_more_images_than_a_workflow_may_build_are_refused(sources: Path) -> None:
    """GitHub starts no job of a matrix with more; a run that fails says nothing of it."""
    for number in range(builds.MAX_BUILDS):
        path = sources / f"models/m{number}/model.yaml"
        path.parent.mkdir()
        path.write_text("x\n")
    with pytest.raises(ModelctlError, match=r"(?s)258 images.*at most 256"):
        builds.planned(sources, "", "")
    assert builds.planned(sources, "", "m7 iris") == ["iris", "m7"]


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


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("1.0.0+b5", "1.0.0_b5"),
        ("1.0.0-rc.1", "1.0.0-rc.1"),
        ("2026-11-25 evening", "2026-11-25_evening"),
        ("-1", "_1"),
        ("é/1:2@3", "__1_2_3"),
        ("9" * 200, "9" * 115),
    ],
)
def test_a_tag_is_one_that_a_registry_takes(version: str, tag: str) -> None:
    """Its grammar: https://github.com/opencontainers/distribution-spec/blob/main/spec.md."""
    found = builds.tag_of(version, "0123456789abcdef")
    assert found == f"{tag}-0123456789ab"
    assert re.fullmatch(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", found)


@pytest.mark.parametrize(
    ("wanted", "repository", "host"),
    [
        ("ghcr.io/Some-Owner/ML-Model/iris", "ghcr.io/some-owner/ml-model/iris", "ghcr.io"),
        ("registry.example:5000/a/iris", "registry.example:5000/a/iris", "registry.example:5000"),
        ("localhost:5000/iris", "localhost:5000/iris", "localhost:5000"),
        ("localhost/iris", "localhost/iris", "localhost"),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/ml_models/iris",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/ml_models/iris",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        ),
        (
            "europe-docker.pkg.dev/project/models/iris",
            "europe-docker.pkg.dev/project/models/iris",
            "europe-docker.pkg.dev",
        ),
        ("docker.io/owner/iris", "docker.io/owner/iris", "docker.io"),
        ("oci://registry.example/charts", "registry.example/charts", "registry.example"),
        ("https://registry.example/charts/", "registry.example/charts", "registry.example"),
    ],
)
def test_any_registry_may_hold_the_images(
    wanted: str, repository: str, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builds.main(["registry", "--name", wanted]) == 0
    assert capsys.readouterr().out == f"name={repository}\nhost={host}\n"
    reference = f"{repository}:1@sha256:{'0' * 64}"
    assert parse_image(reference).repository == repository


@pytest.mark.parametrize("wanted", ["iris", "owner/iris", "ghcr.io/a b/iris", "ghcr.io//iris", ""])
def test_a_name_without_a_registry_is_refused(
    wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert builds.main(["registry", "--name", wanted]) == 1
    assert "HOST/PATH" in capsys.readouterr().err


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
    assert builds.main(["changed", "--since", base]) == 0
    assert json.loads(capsys.readouterr().out) == ["churn", "iris"]


def test_all_that_an_image_is_made_of_rebuilds_it() -> None:
    """What the Dockerfile copies, in the stages that a model's image has, and what packages."""
    text = (ROOT / "Dockerfile").read_text().partition(" AS trainer")[0]
    copied = re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE)
    variants = [*builds.REQUIREMENTS.values(), builds.BOOSTER_REQUIREMENTS]
    names = {
        name.replace("${REQUIREMENTS}", variant).replace("${BUNDLE}", "models")
        for name in copied
        for variant in variants
    }
    names |= {*fingerprint.CODE, *fingerprint.CODE_OF_MODELCTL, *fingerprint.LOCKS}
    watched = tuple(f"{name}/" for name in (*builds.SHARED, builds.MODELS))
    assert [name for name in sorted(names) if not f"{name}/".startswith(watched)] == []
    assert [name for name in builds.SHARED if not (ROOT / name).exists()] == []


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
