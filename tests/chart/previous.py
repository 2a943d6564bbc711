"""The version of the chart before this one, as it was packaged: what users upgrade from.

Kept by `SOURCE_DATE_EPOCH=... modelctl package-chart --out tests/chart/previous` on the commit that
released it, when the next version begins; the one before that goes.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "previous"


def package() -> Path:
    """The one package there is."""
    (found,) = FOLDER.glob("*.tgz")
    return found
