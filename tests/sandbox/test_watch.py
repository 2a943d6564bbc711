"""A wait is woken by what changes, and goes on by the clock where nothing can be watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from sandbox import probes, watch
from sandbox.wait import Answer, wait_until
from tests import standin

# Far longer than any of these tests takes.
LONG = 60.0


class Stream:
    """An API server whose one list changes when a test says so."""

    def __init__(self) -> None:
        self.change, self.opened, self.status = threading.Event(), 0, 200
        outer = self

        class Handler(standin.Quiet):
            def do_GET(self) -> None:
                outer.opened += 1
                self.send_response(outer.status)
                self.end_headers()
                # Like a watch without a version: first what is there.
                self.wfile.write(b'{"type": "ADDED"}\n')
                if outer.change.wait(LONG):
                    self.wfile.write(b'{"type": "MODIFIED"}\n')
                # The connection ends here, as the server ends each watch one day.

        self.handler = Handler


@pytest.fixture
def stream() -> Iterator[Stream]:
    made = Stream()
    yield made
    made.change.set()


def source(host: str) -> watch.Open:
    return lambda: probes.stream(f"http://{host}/list?watch=true", in_netns=False)


def test_a_change_ends_the_pause(stream: Stream) -> None:
    looks = 0

    def probe() -> Answer:
        nonlocal looks
        looks += 1
        if looks == 2:
            # After the first lines have woken it once.
            threading.Timer(0.2, stream.change.set).start()
        return Answer(stream.change.is_set(), "unchanged")

    with standin.serving(stream.handler) as host, watch.watching([source(host)]) as pause:
        seconds = wait_until("changed", probe, LONG, interval_seconds=LONG, pause=pause)
        assert 0.2 <= seconds < LONG / 4
        assert looks == 3


def test_what_changes_during_a_look_is_not_missed() -> None:
    changes = watch.Changes()
    started = time.monotonic()
    changes.follow(iterator_once(changes))
    changes.pause(LONG)
    assert time.monotonic() - started < LONG / 4


def iterator_once(changes: watch.Changes) -> watch.Open:
    """One line, and it is the last."""

    def lines() -> Iterator[bytes]:
        yield b"{}"

    def opened() -> Iterator[bytes]:
        changes.close()
        return lines()

    return opened


def test_a_watch_that_ends_is_opened_again(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "REOPEN_SECONDS", 0.01)
    stream.change.set()
    probe_ready = lambda: Answer(stream.opened > 2, str(stream.opened))  # noqa: E731
    with standin.serving(stream.handler) as host, watch.watching([source(host)]) as pause:
        wait_until("opened again", probe_ready, LONG / 2, interval_seconds=1, pause=pause)


def test_without_a_watch_the_clock_goes_on(stream: Stream) -> None:
    stream.status = 403
    stream.change.set()
    answers = iter([Answer(False, "not yet"), Answer(False, "not yet"), Answer(True, "now")])
    with standin.serving(stream.handler) as host, watch.watching([source(host)]) as pause:
        seconds = wait_until("it", lambda: next(answers), LONG, interval_seconds=0.2, pause=pause)
    assert seconds >= 0.4
