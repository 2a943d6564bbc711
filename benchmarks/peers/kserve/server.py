"""KServe's SDK around scikit-learn, as its own sklearn server uses it."""

import os
from typing import Any

import joblib
import kserve
import pandas as pd
from kserve import Model, ModelServer


class SklearnModel(Model):
    def load(self) -> bool:
        self.model = joblib.load(os.environ["MODEL"])
        self.ready = True
        return self.ready

    def predict(
        self, payload: dict[str, Any], _headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        rows = payload["instances"]
        if isinstance(rows[0], dict):
            rows = pd.DataFrame(rows)
        return {"predictions": self.model.predict_proba(rows).tolist()}


if __name__ == "__main__":
    model = SklearnModel("model")
    model.load()
    parser = kserve.model_server.parser
    arguments, _ = parser.parse_known_args()
    ModelServer(http_port=arguments.http_port, enable_grpc=False).start([model])
