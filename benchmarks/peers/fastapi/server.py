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
def health():
    return {"status": "ok"}


@app.post("/predict")
def predict(body: Request):
    by_name = isinstance(body.features, dict)
    rows = pd.DataFrame([body.features]) if by_name else [body.features]
    label = model.predict(rows)[0]
    probability = model.predict_proba(rows)[0]
    return {"prediction": str(label), "probability": probability.tolist()}
