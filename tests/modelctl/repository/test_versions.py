"""What a version file may say: references as registries, versions as Helm reads them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from modelctl.errors import ModelctlError
from modelctl.repository.versions import (
    ChartVersion,
    ImageVersion,
    ModelVersion,
    parse_image,
    precedence,
)
from tests import rendering

DIGEST = "sha256:" + "a" * 64
# The order that section 11 of Semantic Versioning 2.0.0 gives.
ORDER = [
    *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
    *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.1.0", "1.10.0", "2.0.0"),
]
VERSIONS = [*ORDER, "0.2.0+b5", "1.0.0-x-y.0a+001.z"]
NO_VERSIONS = (
    "\u0661.\u0662.\u0663",  # digits of another script
    "1.0.\u0660",
    "1.0",
    "v1.0.0",
    "01.0.0",
    "1.0.0-",
    "1.0.0-a..b",
    "1.0.0-01",
    "1.0.0+",
    "1.0.0+é",
    "1.0.0\n",
    " 1.0.0",
    "1.0.0 ",
    "",
)
# Of the tests of distribution/reference, whose grammar the registries follow.
REPOSITORIES = (
    "iris",
    "registry.example/iris",
    "localhost:5000/ml/iris",
    "ghcr.io/some-owner/models/iris",
    "a/b_c__d-e---f.g",
    "[2001:db8::1]:5000/repo",
    "xn--n3h.com/myimage",
    "Uppercase.example/lower",
)
NO_REPOSITORIES = (
    "",
    "registry.example/iris evil",
    "registry.example/iris\n",
    "registry.example/Iris",
    "registry.example/iris:1.0",
    f"registry.example/iris@{DIGEST}",
    "registry.example//iris",
    "/iris",
    "iris/",
    "registry.example/a..b",
    "registry.example/a___b",
    "registry.example/-iris",
    "-registry.example/iris",
    "https://registry.example/iris",
    "oci://registry.example/iris",
    "registry.example:port/iris",
    "registry.example/{{ .Values.x }}",
    "registry.example/\u0456ris",  # a Cyrillic letter
    "registry.example/iris\u200b",
    f"registry.example/{'a' * 255}",
)
NO_TAGS = ("", ".a", "-a", "a b", "a/b", "a:b", "a" * 129, "a\n", "\u0661", "é", "{{ x }}")
NO_MODELS = (
    "",
    "1 0",
    "1\n0",
    "{{ .Release.Name }}",
    "\u0661.\u0660",
    "1.0:b",
    "-1",
    "#1",
    "a" * 129,
)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_semantic_version_is_one_for_helm_too(version: str, tmp_path: Path) -> None:
    ChartVersion(version=version)
    (tmp_path / "Chart.yaml").write_text(f"apiVersion: v2\nname: a\nversion: {version}\n")
    done = rendering.run(rendering.tool("helm4"), "package", tmp_path, "--destination", tmp_path)
    assert done.code == 0, done.stderr


@pytest.mark.parametrize("version", NO_VERSIONS, ids=ascii)
def test_anything_else_is_no_version(version: str) -> None:
    with pytest.raises(ValidationError):
        ChartVersion(version=version)


def test_versions_are_compared_as_the_standard_says() -> None:
    for one, other in pairwise(ORDER):
        assert precedence(one) < precedence(other)
    assert precedence("1.0.0+b1") == precedence("1.0.0+b2")


@pytest.mark.parametrize("repository", REPOSITORIES)
def test_a_reference_is_read_back(repository: str) -> None:
    image = ImageVersion(repository=repository, tag="1.0.0", digest=DIGEST)
    assert parse_image(str(image)) == image


@pytest.mark.parametrize("repository", NO_REPOSITORIES, ids=ascii)
def test_anything_else_is_no_repository(repository: str) -> None:
    with pytest.raises(ValidationError, match="repository"):
        ImageVersion(repository=repository, tag="1.0.0", digest=DIGEST)
    with pytest.raises(ModelctlError, match="not pinned"):
        parse_image(f"{repository}:1.0.0@{DIGEST}")


@pytest.mark.parametrize("tag", NO_TAGS, ids=ascii)
def test_anything_else_is_no_tag(tag: str) -> None:
    with pytest.raises(ValidationError, match="tag"):
        ImageVersion(repository="registry.example/iris", tag=tag, digest=DIGEST)


@pytest.mark.parametrize("version", NO_MODELS, ids=ascii)
def test_anything_else_is_no_version_of_a_model(version: str) -> None:
    with pytest.raises(ValidationError):
        ModelVersion(version=version, digest=DIGEST)
