"""The bundle of a run, verified and loaded as the service does it before it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.model import engine as engines
from app.model import manifest as manifests
from app.model.bundle import verify
from app.model.validation import Validator

if TYPE_CHECKING:
    from pathlib import Path

    from app.model.contract import Contract
    from app.model.prediction import Engine


@dataclass(frozen=True)
class Model:
    """What predicts, and what says which rows it predicts."""

    contract: Contract
    validator: Validator
    engine: Engine


def load(path: Path, digest: str) -> Model:
    """Verify, load and self-test a bundle. Raises BundleRefusedError."""
    bundle = verify(path, digest)
    _, contract = manifests.verify(bundle.manifest)
    engine = engines.load(bundle, contract)
    engines.self_test(bundle, contract, engine)
    return Model(contract, Validator(contract), engine)
