"""One try at a part, and why there is none if it failed: `failed/part-00003.json`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.batch import parts
from app.batch.errors import BatchError, BatchRefusedError
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


def attempt(
    runner: ShardRunner, out: Folder, part: int, on_rows: Callable[[int], None]
) -> Facts | Failure:
    """Write a part unless this run has it. Raises BatchRefusedError: then no part is written."""
    try:
        facts = runner.run(part, on_rows)
        out.remove(parts.failure_name(part))
    except BatchRefusedError:
        raise
    except (AppError, OSError) as error:
        is_transient = isinstance(error, OSError) or getattr(error, "is_transient", False)
        return note(out, Failure(part, fields_of(error), is_transient))
    return facts


def note(out: Folder, failure: Failure) -> Failure:
    """Write down why a part failed, where that can be written; the failure itself is reported."""
    with suppress(BatchError, OSError):
        out.write(parts.failure_name(failure.part), canonical(failure.fields))
    return failure


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
