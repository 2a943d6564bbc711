"""The errors of `app.batch` and of its bundle as errors of modelctl."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.batch.errors import BatchError, BatchRefusedError
from app.errors import RefusedError as AppRefusedError
from modelctl.errors import ModelctlError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the service's code raises as ModelctlError, a refusal as RefusedError."""
    try:
        yield
    except (BatchError, AppRefusedError) as error:
        is_refused = isinstance(error, BatchRefusedError | AppRefusedError)
        kind = RefusedError if is_refused else ModelctlError
        raise kind(error.what, expected=error.expected, found=error.found, fix=error.fix) from error
