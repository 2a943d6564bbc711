"""Pipelines whose first step reads texts, or that have a column of texts among others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from tests.cases.case import Case, Fitted

KIND = ["good", "great", "fine", "lovely"]
UNKIND = ["bad", "awful", "poor", "sad"]
WORDS = [*KIND, *UNKIND, "price", "ship", "box", "late", "early", "red", "blue"]


def reviews(count: int = 120) -> pd.DataFrame:
    """Texts of random words; the label follows from the kind words in them."""
    random = np.random.default_rng(3)
    texts = [" ".join(random.choice(WORDS, size=random.integers(3, 9))) for _ in range(count)]
    kind = [sum(text.split().count(word) for word in KIND) for text in texts]
    unkind = [sum(text.split().count(word) for word in UNKIND) for text in texts]
    label = ["yes" if a > b else "no" for a, b in zip(kind, unkind, strict=True)]
    stars = [float(a - b) for a, b in zip(kind, unkind, strict=True)]
    country = [("de", "fr", "it")[at % 3] for at in range(count)]
    return pd.DataFrame({"text": texts, "country": country, "label": label, "stars": stars})


ASKED = ["good great box", "awful bad late", "", "never seen words", "NA", "007", "good"]


def lowered(texts: Any) -> list[str]:
    """A user's own first step on texts."""
    return [str(text).lower() for text in texts]


def text_of(frame: pd.DataFrame) -> pd.Series[str]:
    """A user's own first step, which picks the column of texts."""
    return frame["text"]


def _alone(model: Any, *, as_list: bool = False, target: str = "label") -> Fitted:
    frame = reviews()
    texts = frame["text"].tolist() if as_list else frame["text"]
    model.fit(texts, frame[target])
    asked: Any = ASKED if as_list else pd.Series(ASKED)
    return Fitted(model, frame[["text", target]], asked, target, engine="sklearn")


def _beside() -> Fitted:
    frame = reviews()
    columns = ColumnTransformer(
        [
            ("text", TfidfVectorizer(), "text"),
            ("country", OneHotEncoder(handle_unknown="ignore"), ["country"]),
        ]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, frame["label"])
    asked = pd.DataFrame({"text": ASKED, "country": ["de", "xx", "it", "de", "fr", "it", "de"]})
    sample = frame[["text", "country", "label"]]
    return Fitted(model, sample, asked, "label", engine="sklearn")


def _picked() -> Fitted:
    frame = reviews().assign(number=range(120), price=np.linspace(1, 9, 120))
    features = frame[["number", "text", "price"]]
    model = make_pipeline(FunctionTransformer(text_of), CountVectorizer(), MultinomialNB())
    model.fit(features, frame["label"])
    asked = features.head(12).assign(price=0.25)
    return Fitted(model, features.assign(label=frame["label"]), asked, "label", engine="sklearn")


def _searched() -> Any:
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    return GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=3)


def _voting() -> Any:
    members = [
        ("count", make_pipeline(CountVectorizer(), MultinomialNB())),
        ("tfidf", make_pipeline(TfidfVectorizer(), LogisticRegression())),
    ]
    return VotingClassifier(members, voting="soft")


CASES = [
    Case("count-vectorizer", lambda: _alone(make_pipeline(CountVectorizer(), MultinomialNB()))),
    Case("tfidf-list", lambda: _alone(make_pipeline(TfidfVectorizer(), LogisticRegression()),
                                      as_list=True)),
    Case("hashing", lambda: _alone(make_pipeline(HashingVectorizer(n_features=64),
                                                 LogisticRegression()))),
    Case("text-regression", lambda: _alone(make_pipeline(TfidfVectorizer(), Ridge()),
                                           target="stars")),
    Case("text-search", lambda: _alone(_searched())),
    Case("text-voting", lambda: _alone(_voting())),
    Case("text-calibrated", lambda: _alone(CalibratedClassifierCV(
        make_pipeline(CountVectorizer(), MultinomialNB()), cv=3))),
    Case("text-own-first-step", lambda: _alone(make_pipeline(
        FunctionTransformer(lowered), CountVectorizer(), MultinomialNB()))),
    Case("text-beside-category", _beside),
    Case("text-picked-from-numbers", _picked),
]  # fmt: skip
