"""Preflight names every problem at once: what, found, expected and the way out."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import preflight
from sandbox.errors import ProblemsError
from sandbox.layout import Layout
from sandbox.machine import MachineInfo, parse_version, required_go
from sandbox.preflight import GIB, describe, find_problems, warnings

GOOD = MachineInfo(
    system="Linux",
    machine="x86_64",
    user_id=0,
    capabilities=(1 << 41) - 1,
    distribution="debian",
    release="13",
    kernel=(6, 12, 30),
    python=(3, 13, 5),
    has_venv=True,
    go=(1, 26, 8),
    required_go=(1, 26, 8),
    memory=8 * GIB,
    disk_free=60 * GIB,
    was_up_before=False,
    cgroup_flavour="v2",
    iptables_flavour="nf_tables",
    other_kubelet_pid=0,
)


def test_a_stock_debian_13_has_no_problem() -> None:
    assert find_problems(GOOD) == []
    assert warnings(GOOD) == []


@pytest.mark.parametrize(
    ("change", "what", "found"),
    [
        pytest.param({"system": "Darwin"}, "the sandbox needs Linux", "Darwin", id="macos"),
        pytest.param({"user_id": 1000}, "the sandbox needs root", "user id 1000", id="user"),
        pytest.param(
            {"capabilities": 0xA80425FB},
            "root lacks capabilities",
            "no CAP_SYS_ADMIN, no CAP_NET_ADMIN",
            id="container",
        ),
        pytest.param(
            {"machine": "riscv64"}, "the processor is not supported", "riscv64", id="machine"
        ),
        pytest.param({"kernel": (5, 10, 0)}, "the kernel is too old", "5.10.0", id="kernel"),
        pytest.param({"python": (3, 9, 2)}, "Python is too old", "3.9.2", id="python"),
        pytest.param(
            {"has_venv": False},
            "Python cannot create virtual environments",
            "no module `ensurepip`",
            id="venv",
        ),
        pytest.param({"go": ()}, "Go is missing", "no `go` on PATH", id="no-go"),
        pytest.param({"go": (1, 26, 7)}, "Go is too old", "Go 1.26.7", id="old-go"),
        pytest.param({"memory": 6 * GIB - 1}, "not enough memory", "6.0 GiB", id="memory"),
        pytest.param(
            {"disk_free": 24 * GIB}, "not enough free disk space", "24.0 GiB free", id="disk"
        ),
        pytest.param(
            {"disk_free": 2 * GIB, "was_up_before": True},
            "not enough free disk space",
            "2.0 GiB free",
            id="disk-again",
        ),
        pytest.param(
            {"cgroup_flavour": "none"},
            "there are no control groups",
            "no cgroup mounted",
            id="cgroup",
        ),
        pytest.param(
            {"other_kubelet_pid": 42},
            "another kubelet runs on this machine",
            "pid 42",
            id="kubelet",
        ),
    ],
)
def test_each_problem_is_named_with_what_was_found(
    change: dict[str, object], what: str, found: str
) -> None:
    (problem,) = find_problems(replace(GOOD, **change))  # type: ignore[arg-type]
    assert (problem.what, problem.found) == (what, found)
    assert problem.expected
    assert problem.fix


def test_all_problems_are_reported_at_once() -> None:
    poor = replace(GOOD, user_id=1000, go=(), memory=GIB, disk_free=GIB, has_venv=False)
    text = str(ProblemsError(find_problems(poor)))
    assert text.startswith("this machine cannot run the sandbox: 5 problem(s)\n")
    for what in ("needs root", "virtual environments", "Go is missing", "memory", "free disk"):
        assert what in text
    assert text.count("  fix:      ") == 5


def test_less_disk_is_enough_when_everything_was_built_before() -> None:
    assert find_problems(replace(GOOD, disk_free=4 * GIB, was_up_before=True)) == []


def test_the_go_that_is_needed_is_the_largest_that_a_tool_asks_for(tmp_path: Path) -> None:
    for name, version in {"etcd": "1.26.3", "containerd": "1.26.10", "helm4": "1.26.9"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "go.mod").write_text(f"module x\n\ngo {version}\n\ntool y\n")
    assert required_go(tmp_path) == (1, 26, 10)
    assert required_go(tmp_path / "absent") == ()


def test_another_distribution_is_only_a_warning() -> None:
    ubuntu = replace(GOOD, distribution="ubuntu", release="24.04")
    assert find_problems(ubuntu) == []
    assert warnings(ubuntu) == ["ubuntu 24.04 is not tested; the sandbox supports Debian 12 and 13"]


def test_the_description_shows_cgroup_kernel_and_iptables() -> None:
    assert describe(GOOD) == (
        "preflight: debian 13, kernel 6.12.30 x86_64, cgroup v2, iptables nf_tables, "
        "8 GiB memory, 60 GiB free disk, Go 1.26.8"
    )


def test_check_raises_before_anything_is_done(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "read_machine", lambda _: replace(GOOD, user_id=1000))
    with pytest.raises(ProblemsError):
        preflight.require_supported(layout)
    assert not layout.home.exists()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.3", (1, 26, 3)),
        ("go1.27", (1, 27)),
        ("6.1.0-18-amd64", (6, 1, 0)),
        ("devel", ()),
    ],
)
def test_versions_are_read_as_tuples(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version
