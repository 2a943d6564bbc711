"""Notes for the user who packages a model: worth knowing, but not errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.packaging.alignment import fitted_names, listed

if TYPE_CHECKING:
    import pandas as pd

    from modelctl.packaging.training_output import TrainingOutput

# A smaller sample gets a note.
MIN_ROWS = 30


def notes_on(
    training_output: TrainingOutput, frame: pd.DataFrame, engine: str, custom_code: list[str]
) -> list[str]:
    """One sentence each, most important first."""
    notes = []
    if engine == "sklearn" and custom_code:
        notes.append(
            f"the image needs the custom code of {listed(custom_code)}: the serve-sklearn "
            "requirements do not include it, and the pod refuses to start without it"
        )
    used = set(frame.columns)
    dropped = [name for name in fitted_names(training_output.estimator) or [] if name not in used]
    if dropped:
        notes.append(f"the model drops {listed(dropped)}: requests must not contain them")
    known = used | set(dropped)
    ignored = [name for name in map(str, training_output.features.columns) if name not in known]
    if ignored:
        notes.append(f"ignored columns of the sample, which are not features: {listed(ignored)}")
    if len(frame) < MIN_ROWS:
        rows = "1 row" if len(frame) == 1 else f"{len(frame)} rows"
        notes.append(
            f"the sample has only {rows}: ranges, categories, the drift reference and the parity "
            "gate are based on them"
        )
    return notes
