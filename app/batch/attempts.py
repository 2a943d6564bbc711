"""One try at a part, and why there is none if it failed: `failed/part-00003.json`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.batch import parts
from app.batch.errors import BatchError, BatchRefusedError, StoreError
from app.errors import AppError, RefusedError
from app.model.bundle import canonical

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.batch.folders import Folder
    from app.batch.parts import Facts
    from app.batch.shard import ShardRunner


@dataclass(frozen=True)
class Failure:
    """A part that was not written, and why; a transient reason may pass by itself."""

    part: int
    fields: dict[str, str]
    is_transient: bool = False


class Attempts:
    """Tries parts of one run; a part that is written is no failure of before any more."""

    def __init__(self, runner: ShardRunner, out: Folder) -> None:
        """Raises StoreError."""
        self._runner, self._out = runner, out
        # Who never failed needs no right to delete.
        self._failed = out.names(parts.FAILED)

    def write(self, part: int, on_rows: Callable[[int], None]) -> Facts | Failure:
        """Write a part unless this run has it. Raises BatchRefusedError: then none is written."""
        name = parts.failure_name(part)
        try:
            facts = self._runner.run(part, on_rows)
        except BatchRefusedError:
            raise
        except (AppError, OSError) as error:
            self._failed.add(name)
            return note(self._out, Failure(part, fields_of(error), is_transient(error)))
        if name in self._failed:
            with suppress(StoreError, OSError):
                self._out.remove(name)
            self._failed.discard(name)
        return facts


def note(out: Folder, failure: Failure) -> Failure:
    """Write down why a part failed, where that can be written; the failure itself is reported."""
    with suppress(BatchError, OSError):
        out.write(parts.failure_name(failure.part), canonical(failure.fields))
    return failure


def is_transient(error: AppError | OSError) -> bool:
    """Whether the same may succeed if it is tried again."""
    return isinstance(error, OSError) or getattr(error, "is_transient", False)


def fields_of(error: Exception) -> dict[str, str]:
    """An error as the keys of a document."""
    if isinstance(error, BatchError | RefusedError):
        fields = error.fields()
        fields.pop("event", None)
        return fields
    return {
        "what": f"{type(error).__name__}: {error}"[:300],
        "expected": "",
        "found": "",
        "fix": "",
    }
