"""A kind of output, packaged as a user does it: a joblib file, a CSV file, the command's code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest

from modelctl.packaging import candidates
from modelctl.packaging.package import Plan, plan, write
from modelctl.packaging.training_output import Request, read_training_output
from tests.outputs.kinds import Kind

NAME = "kind"
BUNDLE = "bundle"


def package(
    model: Any, sample: pd.DataFrame, folder: Path, target: str | tuple[str, ...] = ""
) -> Plan:
    """Write model, sample and bundle into the folder; the bundle's folder is BUNDLE."""
    joblib.dump(model, folder / "model.joblib")
    sample.to_csv(folder / "sample.csv", index=False)
    request = Request(folder, name=NAME, version="1.0.0", target=target)
    with pytest.MonkeyPatch.context() as patch:
        # The gate has tests of its own: here fewer rows are enough.
        patch.setattr(candidates, "PERTURBED_ROWS", 1000)
        patch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 3000)
        planned = plan(read_training_output(request), engine="auto", tolerance=1e-6)
    write(planned, folder / BUNDLE)
    return planned


def package_kind(kind: Kind, folder: Path) -> tuple[Any, pd.DataFrame, Plan]:
    """The fitted model, its sample and the plan of its bundle."""
    model, features = kind.fitted()
    return model, features, package(model, features, folder, kind.targets)
