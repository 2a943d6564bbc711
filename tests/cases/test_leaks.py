"""No text of the training data leaves the service, but a closed list that callers need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelctl.packaging import candidates
from tests.app.conftest import make_client
from tests.cases.case import Fitted
from tests.cases.test_cases import package

ROWS = 90
INPUTS = ["note", "street", "illness", "tariff", "income"]
# Every answer that a caller can get without a prediction, and the texts it must not have.
PAGES = ("/model/info", "/openapi.json", "/docs", "/metrics", "/v2/models/case", "/version")


@pytest.fixture
def training() -> pd.DataFrame:
    random = np.random.default_rng(5)
    words = np.array(["secretnote", "privateword", "whisper", "hush"])
    return pd.DataFrame(
        {
            "note": [" ".join(random.choice(words, 3)) for _ in range(ROWS)],
            "street": [f"Hidden Street {at % 11}" for at in range(ROWS)],
            "illness": [("illness-a", "illness-b", "illness-c")[at % 3] for at in range(ROWS)],
            "tariff": [("tariff-small", "tariff-large")[at % 2] for at in range(ROWS)],
            "income": random.integers(31_337, 91_337, ROWS).astype(float),
            "label": [("yes", "no")[at % 2] for at in range(ROWS)],
        }
    )


def served(frame: pd.DataFrame, folder: Path) -> Any:
    columns = ColumnTransformer(
        [
            ("note", TfidfVectorizer(), "note"),
            ("street", OneHotEncoder(handle_unknown="ignore"), ["street"]),
            ("closed", OneHotEncoder(), ["illness", "tariff"]),
            ("income", StandardScaler(), ["income"]),
        ]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame[INPUTS], frame["label"])
    config = {"inputs": {"illness": {"sensitive": True}, "income": {"sensitive": True}}}
    fitted = Fitted(model, frame, frame[INPUTS], "label", config=config)
    return make_client(package(fitted, folder))


def secrets(frame: pd.DataFrame) -> list[str]:
    """Training texts that are not part of the one open, closed list; the range of a number."""
    words = {word for text in frame["note"] for word in text.split()}
    numbers = [f"{frame['income'].min():g}", f"{frame['income'].max():g}"]
    return sorted({*words, *frame["street"], *frame["illness"], *numbers})


def test_no_answer_tells_training_texts(
    training: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 300)
    client = served(training, tmp_path)
    good = json.loads(training[INPUTS].head(1).to_json(orient="records"))[0]
    wrong = [
        {**good, "illness": "x"}, {**good, "street": None, "income": "x"}, {**good, "note": 1},
        {**good, "tariff": "x"}, {}, {**good, "more": 1},
    ]  # fmt: skip
    texts = [client.get(path).text for path in PAGES]
    for row in wrong:
        answer = client.post("/predict", json={"instances": [row]})
        assert answer.status_code in (200, 422)
        texts.append(answer.text)
    assert client.post("/predict", json={"instances": [good]}).status_code == 200
    texts.append(client.get("/metrics").text)
    for secret in secrets(training):
        told = [text[max(0, text.find(secret) - 60) :][:120] for text in texts if secret in text]
        assert not told, (secret, told[0])
    # A right body cannot be shown without a value of the sensitive list.
    assert "example" not in client.post("/predict", json={"instances": [{}]}).get_json()
    # The list that callers need is there.
    assert "tariff-small" in texts[0]
    assert "tariff-small" in texts[1]
