"""Notes for the user who packages a model: worth knowing, but not errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.model.examples import without_example
from modelctl.packaging.alignment import listed
from modelctl.packaging.own_code import files_of, libraries_of

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
        notes += _about_code(custom_code)
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


def _about_code(modules: list[str]) -> list[str]:
    """What the pod imports besides the known libraries, and how it gets it."""
    notes = []
    libraries = libraries_of(modules)
    if libraries:
        notes.append(
            f"the image needs {listed(libraries)}, which the serve-sklearn requirements do not "
            "have: add it to the group `sklearn` in pyproject.toml and run `make lock`"
        )
    files = files_of(modules)
    if files:
        notes.append(f"the bundle contains the model's own code, under code/: {listed(files)}")
    return notes
