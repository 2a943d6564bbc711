"""Load the libraries of models, and a model, without looking for garbage meanwhile.

What they define stays until the process ends; the collector would go through all of it again and
again, a sixth of the time that the imports take.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no garbage in the block, and none of what it has left afterwards."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
