"""FastAPI and scikit-learn as its tutorials have it; run by uvicorn."""

import os
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL"])


class Request(BaseModel):
    features: list[float] | dict[str, Any]


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


# Without a response model, which FastAPI would take from the annotation and check each answer by.
@app.post("/predict", response_model=None)
def predict(body: Request) -> dict[str, Any]:
    by_name = isinstance(body.features, dict)
    rows = pd.DataFrame([body.features]) if by_name else [body.features]
    label = model.predict(rows)[0]
    probability = model.predict_proba(rows)[0]
    return {"prediction": str(label), "probability": probability.tolist()}
