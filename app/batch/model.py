"""The bundle of a run, verified and loaded as the service does it before it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.batch.errors import BatchRefusedError
from app.model import engine as engines
from app.model import manifest as manifests
from app.model.background import read_background
from app.model.bundle import verify
from app.model.explainer import Explainer
from app.model.validation import Validator

if TYPE_CHECKING:
    from pathlib import Path

    from app.model.background import Background
    from app.model.bundle import Bundle
    from app.model.contract import Contract
    from app.model.prediction import Engine


@dataclass(frozen=True)
class Model:
    """What predicts, what says which rows it predicts, and what explains if that was asked for."""

    contract: Contract
    validator: Validator
    engine: Engine
    explainer: Explainer | None = None


def load(path: Path, digest: str, *, explain: bool = False) -> Model:
    """Verify, load and self-test a bundle. Raises BundleRefusedError, BatchRefusedError."""
    bundle = verify(path, digest)
    _, contract = manifests.verify(bundle.manifest)
    engine = engines.load(bundle, contract)
    engines.self_test(bundle, contract, engine)
    if not explain:
        return Model(contract, Validator(contract), engine)
    explainer = Explainer(engine, contract, require_background(bundle, contract))
    explainer.warm_up(engines.first_row(bundle, contract))
    return Model(contract, Validator(contract), engine, explainer)


def require_background(bundle: Bundle, contract: Contract) -> Background:
    """The background of a bundle that explains. Raises BatchRefusedError, BundleRefusedError."""
    background = read_background(bundle, contract)
    if background is not None:
        return background
    if contract.output.explained is None:
        raise BatchRefusedError(
            "the predictions cannot be explained (--explain)",
            expected="answers that are numbers, or have probabilities or scores",
            found=f"a {contract.output.kind} without them",
            fix="leave --explain out",
        )
    raise BatchRefusedError(
        "the predictions cannot be explained (--explain)",
        expected="a bundle with background rows",
        found="none in this one",
        fix="package the model with `modelctl package --explain`, or with `explain: true` in "
        "model.yaml",
    )
