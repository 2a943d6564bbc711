"""BentoML's service class over scikit-learn; run by `bentoml serve`."""

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service
class Model:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, features: list[Any] | dict[str, Any]) -> dict[str, Any]:
        rows = pd.DataFrame([features]) if isinstance(features, dict) else [features]
        label = self.model.predict(rows)[0]
        probability = self.model.predict_proba(rows)[0]
        return {"prediction": str(label), "probability": probability.tolist()}
