"""Only missing packages are installed, and no service of theirs is started meanwhile."""

from pathlib import Path

import pytest

from sandbox import packages
from sandbox.errors import SandboxError
from sandbox.packages import PACKAGES, apt_commands, no_service_starts, parse_missing


def test_only_fully_installed_packages_count() -> None:
    lines = [f"installed {name}" for name in PACKAGES if name not in ("runc", "buildah")]
    assert parse_missing("\n".join([*lines, "config-files runc"])) == ["buildah", "runc"]


def test_nothing_is_run_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing_packages", lambda _: [])
    monkeypatch.setattr(packages, "stream", lambda *_, **__: pytest.fail("ran apt-get"))
    assert packages.install_missing() == f"Debian packages: all {len(PACKAGES)} installed"


def test_installing_asks_nothing_and_takes_nothing_more() -> None:
    assert apt_commands(["runc"])[1] == [
        "apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "runc",
    ]  # fmt: skip


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy-rc.d"


def test_services_are_forbidden_while_installing(policy: Path) -> None:
    with no_service_starts(policy):
        assert policy.read_text().endswith("exit 101\n")
        assert policy.stat().st_mode & 0o111
    assert list(policy.parent.iterdir()) == []


def test_the_users_policy_is_put_back_after_a_failure(policy: Path) -> None:
    policy.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(RuntimeError), no_service_starts(policy):
        raise RuntimeError
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert list(policy.parent.iterdir()) == [policy]


@pytest.mark.parametrize("before", ["", "#!/bin/sh\nexit 0\n"], ids=["none", "own"])
def test_the_users_policy_is_put_back_after_a_run_that_was_killed(
    policy: Path, before: str
) -> None:
    policy.write_text(packages._NO_SERVICE_STARTS)
    if before:
        policy.with_name("policy-rc.d.before-ml-model-sandbox").write_text(before)
    with no_service_starts(policy):
        assert policy.read_text().endswith("exit 101\n")
    assert (policy.read_text() if before else "") == before
    assert policy.exists() == bool(before)


def test_a_failing_apt_is_an_error_and_the_policy_is_gone(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "missing_packages", lambda _: ["runc"])
    monkeypatch.setattr(packages, "stream", lambda *_, **__: 100)
    monkeypatch.setattr(packages, "no_service_starts", lambda: no_service_starts(policy))
    with pytest.raises(SandboxError) as caught:
        packages.install_missing()
    assert caught.value.found == "exit code 100 of `apt-get update --quiet`"
    assert not policy.exists()
