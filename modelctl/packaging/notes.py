"""What somebody who packages a model should know, although nothing is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.packaging.alignment import fitted_names, listed

if TYPE_CHECKING:
    import pandas as pd

    from modelctl.packaging.training_output import Material

FEW_ROWS = 30


def notes_on(material: Material, frame: pd.DataFrame, engine: str, foreign: list[str]) -> list[str]:
    """One sentence each, in the order of their weight."""
    notes = []
    if engine == "sklearn" and foreign:
        notes.append(
            f"the image needs the code of {listed(foreign)}: it is not part of any library that "
            "the serve-sklearn image installs, and the pod will refuse to start without it"
        )
    used = set(frame.columns)
    dropped = [name for name in fitted_names(material.estimator) or [] if name not in used]
    if dropped:
        notes.append(f"the model drops {listed(dropped)}: requests must not bring them")
    known = used | set(dropped)
    strange = [name for name in map(str, material.features.columns) if name not in known]
    if strange:
        notes.append(f"the sample's columns {listed(strange)} are no features and were ignored")
    if len(frame) < FEW_ROWS:
        rows = "1 row" if len(frame) == 1 else f"{len(frame)} rows"
        notes.append(
            f"the sample has only {rows}: ranges, categories and the comparison of engines know "
            "no more than those"
        )
    return notes
