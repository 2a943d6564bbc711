"""Flask and scikit-learn as most tutorials have it; run by gunicorn's default worker."""

import os

import joblib
import pandas as pd
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
model = joblib.load(os.environ["MODEL"])


@app.get("/health")
def health() -> Response:
    return jsonify(status="ok")


@app.post("/predict")
def predict() -> Response:
    features = request.get_json()["features"]
    rows = pd.DataFrame([features]) if isinstance(features, dict) else [features]
    label = model.predict(rows)[0]
    probability = model.predict_proba(rows)[0]
    return jsonify(prediction=str(label), probability=probability.tolist())
