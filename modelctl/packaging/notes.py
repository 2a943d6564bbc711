"""Notes for the user who packages a model: worth knowing, but not errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.model.examples import without_example
from modelctl.packaging.alignment import listed

if TYPE_CHECKING:
    from modelctl.packaging.candidates import Perturbed
    from modelctl.packaging.engines import Subject
    from modelctl.packaging.training_output import TrainingOutput

# A smaller sample gets a note.
MIN_ROWS = 30


def notes_on(
    training_output: TrainingOutput,
    subject: Subject,
    engine: str,
    custom_code: list[str],
    perturbed: Perturbed,
) -> list[str]:
    """One sentence each, most important first."""
    notes = []
    if engine == "sklearn" and custom_code:
        notes.append(
            f"the image needs the custom code of {listed(custom_code)}: the serve-sklearn "
            "requirements do not include it, and the pod refuses to start without it"
        )
    contract, frame = subject.contract, subject.frame
    if contract.ignored:
        names = listed(contract.ignored)
        notes.append(f"the model drops {names}: requests may contain them or not")
    known = {*contract.names, *contract.ignored}
    ignored = [name for name in map(str, training_output.features.columns) if name not in known]
    if ignored:
        notes.append(f"ignored columns of the sample, which are not features: {listed(ignored)}")
    hidden = without_example(contract)
    if hidden:
        notes.append(
            f"refusals show no correct body, because the values of {listed(hidden)} are sensitive: "
            "give an `example` in model.yaml that may be shown"
        )
    if perturbed.within:
        notes.append(
            f"scikit-learn refuses other values of {listed(perturbed.within)} than those of the "
            "sample's range: rows with them get 422"
        )
    if perturbed.left_out:
        notes.append(
            f"{perturbed.left_out:,} perturbed rows were left out of the comparison: "
            "scikit-learn refuses them"
        )
    if len(frame) < MIN_ROWS:
        rows = "1 row" if len(frame) == 1 else f"{len(frame)} rows"
        notes.append(
            f"the sample has only {rows}: ranges, categories, the drift reference and the parity "
            "gate are based on them"
        )
    return notes
