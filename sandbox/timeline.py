"""The steps of a run and how long each took: printed as they happen, and as a table at the end.

Must not know what the steps are for.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from sandbox.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

# Wide enough for every column, and for a terminal beside another window.
WIDTH = 100
BAR_WIDTH = 20
DONE, REFUSED, FAILED = "done", "refused", "failed"


@dataclass(frozen=True)
class Entry:
    """One step: when it began (seconds since the start), how long it took, how it ended."""

    title: str
    began: float
    seconds: float
    state: str
    words: str


@dataclass
class Timeline:
    """The steps of one run."""

    clock: Callable[[], float] = time.monotonic
    write: Callable[[str], object] = print
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start = self.clock()

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return self.clock() - self._start

    def step(self, title: str, act: Callable[[], str]) -> str:
        """Run one step and return its summary. A SandboxError is recorded and raised again."""
        began = self.seconds
        self.write(f"{began:6.1f}  {title} ...")
        try:
            words = act()
        except SandboxError as error:
            state = REFUSED if error.is_refusal else FAILED
            self._end(title, began, state, error.summary)
            raise
        except BaseException as error:
            # Ctrl-C, or a bug: record how far the run came.
            self._end(title, began, FAILED, type(error).__name__)
            raise
        self._end(title, began, DONE, words)
        return words

    def _end(self, title: str, began: float, state: str, words: str) -> None:
        entry = Entry(title, began, self.seconds - began, state, " ".join(words.split()))
        self.entries.append(entry)
        self.write(f"{'':6}  {'' if state == DONE else f'{state.upper()}: '}{entry.words}")

    def as_json(self) -> str:
        """The entries as JSON."""
        return json.dumps([asdict(entry) for entry in self.entries], indent=2) + "\n"

    def text(self) -> str:
        """The table, within 100 columns."""
        from rich.console import Console

        console = Console(width=WIDTH, highlight=False, color_system=None)
        with console.capture() as capture:
            console.print(self._table())
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def _table(self) -> Table:
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=None, pad_edge=False, expand=True)
        for name in ("AT", "SECONDS"):
            table.add_column(name, justify="right", no_wrap=True)
        for name in ("STEP", "", "TIMELINE"):
            table.add_column(name, no_wrap=True)
        # What is cut off here was printed during the step, and is in the record.
        table.add_column("RESULT", no_wrap=True, overflow="ellipsis", ratio=1)
        total = max((entry.began + entry.seconds for entry in self.entries), default=0)
        for entry in self.entries:
            table.add_row(
                f"{entry.began:.1f}",
                f"{entry.seconds:.1f}",
                escape(entry.title),
                "" if entry.state == DONE else entry.state.upper(),
                bar(entry.began, entry.seconds, total),
                escape(entry.words),
            )
        return table


def bar(began: float, seconds: float, total: float, width: int = BAR_WIDTH) -> str:
    """Return a bar of `width` characters that shows where in `total` seconds a step ran."""
    if total <= 0:
        return ""
    first = min(int(began / total * width), width - 1)
    last = min(int((began + seconds) / total * width), width - 1)
    return "·" * first + "█" * (last - first + 1) + "·" * (width - last - 1)
