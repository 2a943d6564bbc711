"""The walk-through of canary and blue-green, with the real controller under a real Argo CD."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.paths import ROOT

from . import usersclone
from .loop import measured

if TYPE_CHECKING:
    from pathlib import Path

    from .loop import Loop

PAGE = ROOT / "docs/how-to/progressive-delivery.md"


def test_a_release_by_canary_then_blue_green_then_as_before(
    loop: Loop, controller: None, tmp_path: Path
) -> None:
    started = time.monotonic()
    with usersclone.cloned(loop, tmp_path) as checkout:
        checkout.walk(PAGE, cluster=True)
        measured("canary, blue-green and back", time.monotonic() - started, 240)
    loop.wait_synced()
