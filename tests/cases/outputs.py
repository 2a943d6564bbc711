"""Answers of several parts on mixed columns and texts: targets, anomalies, clusters, vectors.

Every kind of output on numbers alone, over all protocols: `tests/outputs`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC, OneClassSVM

from tests.cases.case import Case, Fitted
from tests.cases.columns import NUMBERS, penguins

MIXED = [*NUMBERS[:3], "island"]
UNSEEN = "Atlantis"


def _columns(*, ignores: bool = True) -> ColumnTransformer:
    """Numbers imputed and scaled, the island encoded."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore" if ignores else "error", sparse_output=False)
    return ColumnTransformer([("n", numbers, NUMBERS[:3]), ("c", encoder, ["island"])])


def _asked(frame: pd.DataFrame, *, ignores: bool = True) -> pd.DataFrame:
    """Known rows, one with a missing number and one of another island."""
    asked = frame[MIXED].head(12)
    missing = asked.head(1).assign(**{NUMBERS[0]: np.nan})
    others = [missing, asked.iloc[1:2].assign(island=UNSEEN)] if ignores else [missing]
    return pd.concat([asked, *others], ignore_index=True)


def _on_columns(last: Any, targets: list[str] | None = None, engine: str = "onnx") -> Fitted:
    """A pipeline on mixed columns, without a target or with several."""
    frame = penguins()
    model = make_pipeline(_columns(), last)
    config: dict[str, Any] = {"target": targets} if targets else {}
    model.fit(frame[MIXED], frame[targets] if targets else None)
    sample = frame[[*MIXED, *(targets or [])]]
    return Fitted(model, sample, _asked(frame), config=config, engine=engine)


def _refusing() -> Fitted:
    """Only labels are answered: without a number that could be NaN, an unseen island is refused."""
    frame = penguins()
    last = KMeans(3, n_init=1, random_state=0)
    model = make_pipeline(_columns(ignores=False), last).fit(frame[MIXED])
    other = frame[MIXED].head(2).assign(island=UNSEEN)
    asked = _asked(frame, ignores=False)
    return Fitted(model, frame[MIXED], asked, refused=other, engine="onnx")


def _logarithms() -> Fitted:
    """The logarithm of a negative number is refused, whatever is answered: here a vector."""
    frame = penguins()[NUMBERS]
    model = make_pipeline(FunctionTransformer(np.log), StandardScaler(), PCA(2)).fit(frame)
    refused = frame.head(1).assign(bill_length_mm=-1.0)
    return Fitted(model, frame, frame.head(9), refused=refused, engine="onnx")


def _texts() -> tuple[list[str], pd.DataFrame]:
    """Descriptions of penguins, and what is true of them."""
    frame = penguins()
    texts = [
        f"{row.sex} penguin of {row.island} with a "
        f"{'long' if row.bill_length_mm > 44 else 'short'} bill"
        for row in frame.itertuples()
    ]
    truth = pd.DataFrame(
        {"male": (frame["sex"] == "male").astype(int), "long": (frame[NUMBERS[0]] > 44).astype(int)}
    )
    return texts, truth


def _on_texts(last: Any, *, labelled: bool) -> Fitted:
    texts, truth = _texts()
    model = make_pipeline(TfidfVectorizer(), last)
    model.fit(texts, truth.to_numpy() if labelled else None)
    sample = pd.DataFrame({"text": texts})
    config: dict[str, Any] = {}
    if labelled:
        sample, config = sample.join(truth), {"target": list(truth.columns)}
    return Fitted(model, sample, [*texts[:9], "an unseen word, a male one"], config=config)


def _embedded() -> Fitted:
    return _on_texts(TruncatedSVD(4, random_state=0), labelled=False)


def _text_decisions() -> Fitted:
    texts, truth = _texts()
    names = np.where(truth["male"] == 1, "he", "she")
    model = make_pipeline(TfidfVectorizer(), LinearSVC(random_state=0)).fit(texts, names)
    sample = pd.DataFrame({"text": texts, "who": names})
    return Fitted(model, sample, texts[:9], target="who")


def _array_of_questions() -> Fitted:
    """Fitted on `.values`, with several targets of strings."""
    frame = penguins()
    y = frame[["species", "sex"]].to_numpy().astype(str)
    model = MultiOutputClassifier(LogisticRegression(max_iter=2000))
    model.fit(frame[NUMBERS].to_numpy(), y)
    asked = frame[NUMBERS].to_numpy()[:12]
    config = {"target": ["species", "sex"]}
    sample = frame[[*NUMBERS, "species", "sex"]]
    return Fitted(model, sample, asked, config=config, engine="onnx")


def _numbers(last: Any) -> Fitted:
    """Two numbers at once: the mass and the flipper's length, from bill and island."""
    frame = penguins()
    inputs = [*NUMBERS[:2], "island"]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS[:2]), ("c", encoder, ["island"])])
    targets = [NUMBERS[3], NUMBERS[2]]
    model = make_pipeline(columns, last).fit(frame[inputs], frame[targets])
    sample = frame[[*inputs, *targets]]
    asked = frame[inputs].head(12)
    return Fitted(model, sample, asked, config={"target": targets}, engine="onnx")


def _one_column(last: Any) -> Fitted:
    """One number, from a y that is a frame of one column: scikit-learn answers a matrix."""
    frame = penguins()
    inputs = NUMBERS[:3]
    model = make_pipeline(StandardScaler(), last).fit(frame[inputs], frame[[NUMBERS[3]]])
    sample = frame[[*inputs, NUMBERS[3]]]
    return Fitted(model, sample, frame[inputs].head(12), NUMBERS[3], engine="onnx")


ONE_COLUMN = {
    "linear regression": LinearRegression(),
    "neighbors": KNeighborsRegressor(),
    "distant neighbors": KNeighborsRegressor(weights="distance"),
    "multi-output": MultiOutputRegressor(LinearRegression()),
    "chain": RegressorChain(LinearRegression()),
    "partial least squares": PLSRegression(),
}

CASES = [
    *(
        Case(f"one column of numbers by {name}", partial(_one_column, last))
        for name, last in ONE_COLUMN.items()
    ),
    Case("several numbers from mixed columns", lambda: _numbers(LinearRegression())),
    Case(
        "several numbers of a forest on mixed columns",
        lambda: _numbers(RandomForestRegressor(10, random_state=0)),
    ),
    Case(
        "several classes of a forest on mixed columns",
        lambda: _on_columns(RandomForestClassifier(10, random_state=0), ["species", "sex"]),
    ),
    Case("several classes of an array", _array_of_questions),
    Case(
        "anomalies in mixed columns",
        lambda: _on_columns(IsolationForest(n_estimators=10, random_state=0)),
    ),
    Case("anomalies by a boundary", lambda: _on_columns(OneClassSVM(nu=0.1))),
    Case("clusters of mixed columns", lambda: _on_columns(KMeans(3, n_init=1, random_state=0))),
    Case(
        "mixture on mixed columns",
        lambda: _on_columns(GaussianMixture(3, reg_covar=1e-2, random_state=0)),
    ),
    Case("clusters that refuse an island", _refusing),
    Case("vectors of mixed columns", lambda: _on_columns(PCA(3))),
    Case("vectors of logarithms", _logarithms),
    Case(
        "labels of texts",
        lambda: _on_texts(OneVsRestClassifier(LogisticRegression()), labelled=True),
    ),
    Case(
        "labels of texts by a chain",
        lambda: _on_texts(ClassifierChain(LogisticRegression()), labelled=True),
    ),
    Case("embeddings of texts", _embedded),
    Case(
        "clusters of texts", lambda: _on_texts(KMeans(3, n_init=1, random_state=0), labelled=False)
    ),
    Case("decisions about texts", _text_decisions),
]
