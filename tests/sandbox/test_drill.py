"""A drill destroys only what it may, only what it has a copy of, and says what was lost."""

from pathlib import Path

import pytest

from sandbox import copies, disaster, drill, inventory, lock, netns, process
from sandbox.drill import Outcome, require_sandbox, table
from sandbox.errors import SandboxError
from sandbox.gitops import GitOps
from sandbox.inventory import Inventory, Lost
from sandbox.layout import Layout


@pytest.fixture
def site(tmp_path: Path) -> disaster.Site:
    layout = Layout(tmp_path)
    gitops = GitOps(tmp_path, layout.home / "gitops.git", layout.home / "gitops", tmp_path)
    (layout.cache / "registry").mkdir(parents=True)
    (layout.cache / "registry/blob").write_bytes(b"0" * 1_000_000)
    return disaster.Site(layout, gitops, layout.home / "copies")


@pytest.fixture
def running(site: disaster.Site, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A machine whose sandbox is this checkout's and runs."""
    monkeypatch.setattr(lock, "owner", lambda: site.layout.root)
    monkeypatch.setattr(netns, "exists", lambda: True)
    monkeypatch.setattr(process, "find_running", lambda *_: object())
    return site.layout


def test_the_running_sandbox_of_this_checkout_may_be_destroyed(running: Layout) -> None:
    require_sandbox(running, {})


@pytest.mark.parametrize(
    ("patch", "environ", "found"),
    [
        ({}, {"KUBE_CONTEXT": "prod"}, "KUBE_CONTEXT=prod"),
        ({"owner": Path("/elsewhere")}, {}, "belongs to /elsewhere"),
        ({"owner": None}, {}, "belongs to nobody"),
        ({"exists": False}, {}, "belongs to"),
        ({"find_running": None}, {}, "its etcd does not run"),
    ],
)
def test_anything_else_is_refused(
    running: Layout,
    monkeypatch: pytest.MonkeyPatch,
    patch: dict[str, object],
    environ: dict[str, str],
    found: str,
) -> None:
    for name, value in patch.items():
        (module,) = (each for each in (lock, netns, process) if hasattr(each, name))
        monkeypatch.setattr(module, name, lambda *_, value=value: value)
    with pytest.raises(SandboxError) as caught:
        drill.drill(running, ["etcd"], environ, dry_run=False)
    assert found in caught.value.found


def test_a_dry_run_prints_what_is_saved_and_destroyed_and_touches_nothing(
    running: Layout, site: disaster.Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill.drill(running, ["etcd", "both"], {}, dry_run=True) == []
    shown = capsys.readouterr().out
    assert f"registry       1 MB  images, charts, signatures: {running.cache}/registry" in shown
    assert "etcd's data is gone" in shown
    assert "the node has none of its images" not in shown
    assert not site.target.exists()


def test_nothing_is_destroyed_without_a_usable_copy(
    site: disaster.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disaster.Site, "wait_serving", lambda _: {})
    monkeypatch.setattr(inventory, "take", lambda _: Inventory(frozenset(), 0, frozenset()))
    copies.save(site.parts(), site.target)
    (site.target / "registry/blob").write_bytes(b"cut short")
    with pytest.raises(SandboxError) as caught:
        drill.run_case(site, "registry")
    assert "registry/blob" in caught.value.found
    assert (site.layout.cache / "registry/blob").stat().st_size == 1_000_000


def test_what_is_lost_is_named() -> None:
    before = Inventory(frozenset({"Secret argocd mine", "Service ml-dev iris"}), 9, frozenset("ab"))
    after = Inventory(frozenset({"Service ml-dev iris"}), 3, frozenset("bc"))
    lost = before - after
    assert lost == Lost(("Secret argocd mine",), 6, 1)
    assert table([Outcome("etcd", 61.4, 9, lost)]).splitlines() == [
        "CASE        RECOVERY  SERVES",
        "etcd            61 s  9 releases, the same digests",
        "lost in case etcd: 1 objects (Secret argocd mine); 6 entries of Argo CD's sync history;"
        " 1 events",
    ]
    assert (before - before).describe() == "nothing"
