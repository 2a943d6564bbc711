"""The plan after the bare cluster: Argo CD's processes, the root Application."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import argocd
from sandbox.components import argocd as processes
from sandbox.components.redis import redis
from sandbox.components.registry import registry, settings
from sandbox.delivery import shorten_list, steps
from sandbox.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_planning_touches_no_file(layout: Layout) -> None:
    steps(layout)
    assert list(layout.root.iterdir()) == []


def test_argo_cd_listens_on_loopback_only(layout: Layout) -> None:
    for component in processes.components(layout):
        words = component.argv
        addresses = [
            words[index + 1]
            for index, word in enumerate(words)
            if word.endswith(("-address", "-addr")) or word == "--address"
        ]
        assert all(address.startswith("127.0.0.1") for address in addresses), component.name


def test_argo_cd_finds_helm_kustomize_and_its_two_scripts(layout: Layout) -> None:
    for target in processes.links(layout).values():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("tool\n")
    for _ in range(2):
        processes.ensure_folders(layout)
    folder = processes.home(layout) / "bin"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("git-verify-wrapper.sh", "gpg-wrapper.sh", "helm", "kustomize"),
    ]
    assert (folder / "helm").resolve() == layout.bin / "helm4"
    assert processes.repo_server(layout).env["PATH"].startswith(f"{folder}:")
    assert (processes.home(layout) / "gnupg").stat().st_mode & 0o777 == 0o700


def test_registry_keeps_images_as_long_as_git_names_them(layout: Layout) -> None:
    storage = settings(layout)["storage"]
    assert storage["filesystem"] == {"rootdirectory": str(layout.cache / "registry")}  # type: ignore[index]
    (text,) = registry(layout).files.values()
    assert json.loads(text) == settings(layout)


def test_redis_writes_nothing_to_disk(layout: Layout) -> None:
    words = redis(layout).argv
    assert words[words.index("--save") + 1] == ""
    assert words[words.index("--appendonly") + 1] == "no"


def test_folder_hash_changes_with_names_and_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = argocd.folder_hash(tmp_path)
    (tmp_path / "a").write_text("2")
    second = argocd.folder_hash(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, argocd.folder_hash(tmp_path)}) == 3


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, []), (5, ["0", "1", "2", "3", "4"]), (6, ["0", "1", "2", "3", "and 2 more"])],
)
def test_shortened_names_a_few_and_counts_the_rest(count: int, shown: list[str]) -> None:
    assert shorten_list([str(number) for number in range(count)]) == shown
