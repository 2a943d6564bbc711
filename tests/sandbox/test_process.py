"""Processes are known by pid *and* start time, recorded before anything else can happen."""

import json
import os
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sandbox import cgroup, process
from sandbox.errors import CommandError, WaitError
from sandbox.layout import Layout
from sandbox.wait import Answer, wait_until
from tests.sandbox.conftest import Always, MakeComponent

SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); "


def record_of(layout: Layout, name: str) -> process.Record:
    record = process.find_running(layout, name)
    assert record is not None
    return record


def test_a_started_process_is_detached_and_recorded(layout: Layout, python: MakeComponent) -> None:
    process.ensure(layout, python(SLEEP, "one"))
    record = record_of(layout, "one")
    assert os.getsid(record.pid) == record.pid
    assert Path(f"/proc/{record.pid}/stat").read_text().split()[3] != str(os.getpid())
    assert (layout.root / "cgroup-one").read_text() == str(record.pid)
    assert list(layout.pid_file("one").parent.iterdir()) == [layout.pid_file("one")]


def test_ensure_leaves_a_running_process_with_the_same_plan_alone(
    layout: Layout, python: MakeComponent
) -> None:
    component = python(SLEEP, "one")
    process.ensure(layout, component)
    before = record_of(layout, "one")
    process.ensure(layout, component)
    assert record_of(layout, "one") == before


def test_ensure_restarts_a_process_whose_plan_changed(
    layout: Layout, python: MakeComponent
) -> None:
    component = python(SLEEP, "one")
    process.ensure(layout, component)
    before = record_of(layout, "one")
    process.ensure(layout, replace(component, env={"CHANGED": "1"}))
    assert record_of(layout, "one").pid != before.pid
    assert not process.is_alive(before)


def test_a_reused_pid_is_never_killed(layout: Layout, python: MakeComponent) -> None:
    process.ensure(layout, python(SLEEP, "bystander"))
    bystander = record_of(layout, "bystander")
    # What a dead run recorded: the same pid, but of a process that started earlier.
    dead = replace(bystander, name="dead", start_time=bystander.start_time - 1)
    process.write_file(layout.pid_file("dead"), json.dumps(asdict(dead)))
    assert process.find_running(layout, "dead") is None
    assert process.stop(layout, "dead") is False
    assert process.is_alive(bystander)
    assert not layout.pid_file("dead").exists()


def test_a_record_of_another_boot_names_nobody(layout: Layout, python: MakeComponent) -> None:
    process.ensure(layout, python(SLEEP, "one"))
    assert not process.is_alive(replace(record_of(layout, "one"), boot_id="earlier"))


def test_an_unreadable_record_names_nobody(layout: Layout) -> None:
    process.write_file(layout.pid_file("one"), '{"pid": 1')
    assert process.find_running(layout, "one") is None
    assert process.stop(layout, "one") is False


def test_stop_ends_the_process_and_removes_its_record(
    layout: Layout, python: MakeComponent
) -> None:
    process.ensure(layout, python(SLEEP, "one"))
    record = record_of(layout, "one")
    assert process.stop(layout, "one") is True
    assert not process.is_alive(record)
    assert process.recorded_names(layout) == []


def test_stop_kills_a_process_that_ignores_sigterm(layout: Layout, python: MakeComponent) -> None:
    component = python(STUBBORN + SLEEP, "deaf")
    process.ensure(layout, component)
    log = layout.log_file("deaf")
    wait_until("deaf", lambda: Answer("deaf" in log.read_text(), "quiet"), 60)
    record = record_of(layout, "deaf")
    assert process.stop(layout, "deaf", deadline_seconds=0.1) is True
    assert not process.is_alive(record)


def test_a_killed_process_is_started_again(layout: Layout, python: MakeComponent) -> None:
    component = python(SLEEP, "one")
    process.ensure(layout, component)
    before = record_of(layout, "one")
    os.kill(before.pid, signal.SIGKILL)
    wait_until("dead", lambda: Answer(not process.is_alive(before), "alive"), 60)
    process.ensure(layout, component)
    assert record_of(layout, "one").pid != before.pid


def test_a_process_that_ends_while_awaited_fails_at_once_with_its_log(
    layout: Layout, python: MakeComponent
) -> None:
    component = python("import sys; sys.exit('no such flag')", ready=Always(False, "port closed"))
    with pytest.raises(WaitError) as caught:
        process.ensure(layout, component)
    assert "process exited after" in caught.value.what
    assert caught.value.found == "port closed"
    assert caught.value.details == "no such flag"


def test_a_command_that_does_not_exist_is_reported(layout: Layout, python: MakeComponent) -> None:
    component = replace(python(SLEEP, "absent"), argv=("/no/such/tool",))
    with pytest.raises(CommandError) as caught:
        process.start(layout, component)
    assert "/no/such/tool: [Errno 2] No such file or directory" in caught.value.details


def test_the_environment_is_the_plan_and_nothing_of_the_shell(
    layout: Layout, python: MakeComponent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://leaks.example")
    code = "import os; print(dict(os.environ), flush=True)"
    component = python(f"{code}; {SLEEP}", "one", env={"KUBECONFIG": "/k"})
    process.ensure(layout, component)
    log = layout.log_file("one")
    wait_until("printed", lambda: Answer("}" in log.read_text(), "quiet"), 60)
    environment = eval(log.read_text())  # noqa: S307 - printed by the line above
    assert environment.pop("LC_CTYPE", None) in (None, "C.UTF-8")
    assert environment == {
        "HOME": str(layout.home),
        "KUBECONFIG": "/k",
        "LANG": "C.UTF-8",
        "PATH": layout.path,
    }


def test_configuration_files_are_written_before_the_start(
    layout: Layout, python: MakeComponent
) -> None:
    path = layout.config("one.json")
    code = f"print(open({str(path)!r}).read(), flush=True); {SLEEP}"
    process.ensure(layout, python(code, "one", files={path: "settings"}))
    log = layout.log_file("one")
    wait_until("printed", lambda: Answer("settings" in log.read_text(), "quiet"), 60)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_log_of_the_start_before_is_kept(layout: Layout, python: MakeComponent) -> None:
    layout.logs.mkdir(parents=True)
    layout.log_file("one").write_text("the last words")
    process.ensure(layout, python(SLEEP, "one"))
    assert (layout.logs / "one.previous.log").read_text() == "the last words"
    assert layout.log_file("one").read_text() == ""


def test_what_is_left_of_a_lost_record_is_killed_before_the_next_start(
    layout: Layout, python: MakeComponent, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[str, str]] = []
    monkeypatch.setattr(cgroup, "component_path", Path)
    monkeypatch.setattr(cgroup, "kill", lambda path, _, only: killed.append((str(path), only)))
    process.ensure(layout, python(SLEEP, "kubelet"))
    keeper = python(SLEEP, "containerd", leaves_children=True)
    process.ensure(layout, keeper)
    assert killed == [("kubelet", ""), ("containerd", keeper.argv[0])]
