"""Fitted models whose output is not one class with probabilities or one number, on real data.

`answers` has what scikit-learn answers; nothing here knows the service.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.cluster import (
    AffinityPropagation,
    Birch,
    BisectingKMeans,
    KMeans,
    MeanShift,
    MiniBatchKMeans,
)
from sklearn.compose import TransformedTargetRegressor
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import CCA, PLSRegression
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    MultiTaskLasso,
    Perceptron,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDOneClassSVM,
)
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    LocalOutlierFactor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

TREES = 20


@dataclass(frozen=True)
class Kind:
    """One model: `make` is unfitted; y has a column per target, or is one; None: no target."""

    make: Callable[[], Any]
    data: Callable[[], tuple[pd.DataFrame, Any]]
    # The engine that packaging has to choose.
    engine: str = "onnx"
    # The names of several targets, as model.yaml has them.
    targets: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("predict",)

    def fitted(self) -> tuple[Any, pd.DataFrame]:
        """The fitted model and its sample."""
        features, y = self.data()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = self.make().fit(features) if y is None else self.make().fit(features, y)
        return model, features


def diabetes() -> tuple[pd.DataFrame, Any]:
    """A disease's progression from ten measurements, unscaled."""
    loaded = datasets.load_diabetes(as_frame=True, scaled=False)
    return loaded.data, loaded.target


def linnerud() -> tuple[pd.DataFrame, Any]:
    """Weight, waist and pulse from three exercises."""
    loaded = datasets.load_linnerud(as_frame=True)
    return loaded.data.astype(float), loaded.target


def progression() -> tuple[pd.DataFrame, Any]:
    """Two targets that differ in scale: progression, and blood sugar from the other nine."""
    features, target = diabetes()
    return features.drop(columns="s6"), np.column_stack([target, features["s6"]])


def iris() -> tuple[pd.DataFrame, Any]:
    """Three species, as strings."""
    loaded = datasets.load_iris(as_frame=True)
    return loaded.data, np.array(loaded.target_names)[loaded.target]


def cancer() -> tuple[pd.DataFrame, Any]:
    """Malignant or not, as booleans."""
    loaded = datasets.load_breast_cancer(as_frame=True)
    return loaded.data.iloc[:, :8], loaded.target.to_numpy() == 0


def unlabelled() -> tuple[pd.DataFrame, Any]:
    """Wines without their cultivar."""
    return datasets.load_wine(as_frame=True).data, None


def scaled() -> tuple[pd.DataFrame, Any]:
    """The same, standardized."""
    features, _ = unlabelled()
    return (features - features.mean()) / features.std(), None


def labels() -> tuple[pd.DataFrame, Any]:
    """Labels that are present or not: properties of wines above their median."""
    features, _ = unlabelled()
    chosen = ["alcohol", "color_intensity", "proline"]
    indicator = (features[chosen] > features[chosen].median()).to_numpy().astype(int)
    return features.drop(columns=chosen), indicator


def two_questions() -> tuple[pd.DataFrame, Any]:
    """Two targets with different classes: the cultivar of a wine, and whether it is strong."""
    loaded = datasets.load_wine(as_frame=True)
    names = np.array(["barolo", "grignolino", "barbera"])[loaded.target]
    strong = np.where(loaded.data["alcohol"] > 13, "strong", "light")
    return loaded.data.drop(columns="alcohol"), np.column_stack([names, strong])


def two_numbered() -> tuple[pd.DataFrame, Any]:
    """Two targets with two and three classes of integers; the one with three is the second."""
    loaded = datasets.load_wine(as_frame=True)
    strong = (loaded.data["alcohol"] > 13).astype(int) * 5
    return loaded.data.drop(columns="alcohol"), np.column_stack([strong, loaded.target])


def steps(last: Any) -> Callable[[], Any]:
    """A scaler before the model."""
    return lambda: make_pipeline(StandardScaler(), last)


PROBA = ("predict", "predict_proba")
DECISION = ("predict", "decision_function")
VECTOR = ("transform",)

KINDS: dict[str, Kind] = {
    # Several numbers.
    "linear regression": Kind(LinearRegression, linnerud, targets=("Weight", "Waist", "Pulse")),
    "ridge, scaled": Kind(steps(Ridge()), progression),
    "multi-task lasso": Kind(lambda: MultiTaskLasso(alpha=0.5), linnerud),
    "PLS": Kind(lambda: PLSRegression(2), linnerud),
    "CCA": Kind(lambda: CCA(1), linnerud),
    "decision tree, two numbers": Kind(lambda: DecisionTreeRegressor(max_depth=6), progression),
    "random forest, two numbers": Kind(
        lambda: RandomForestRegressor(TREES, random_state=0), progression
    ),
    "extra trees, two numbers": Kind(
        lambda: ExtraTreesRegressor(TREES, random_state=0), progression
    ),
    "neighbors, two numbers": Kind(steps(KNeighborsRegressor(weights="distance")), progression),
    "perceptron, two numbers": Kind(
        steps(MLPRegressor(hidden_layer_sizes=(10,), max_iter=200, random_state=0)), progression
    ),
    "bagging, two numbers": Kind(
        lambda: BaggingRegressor(DecisionTreeRegressor(max_depth=4), 5, random_state=0), progression
    ),
    "several boosted": Kind(
        lambda: MultiOutputRegressor(GradientBoostingRegressor(n_estimators=TREES)),
        progression,
        targets=("progression", "sugar"),
    ),
    "several hist-boosted": Kind(
        lambda: MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=TREES)), progression
    ),
    "regressor chain": Kind(lambda: RegressorChain(Ridge(), order=[2, 0, 1]), linnerud),
    "transformed targets": Kind(
        lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), linnerud
    ),
    "transformed targets, log": Kind(
        lambda: TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp),
        progression,
    ),
    "search over several numbers": Kind(
        lambda: GridSearchCV(steps(Ridge())(), {"ridge__alpha": [0.1, 1.0]}, cv=3), progression
    ),
    # Several quantiles are several targets.
    "quantile regression": Kind(lambda: QuantileRegressor(quantile=0.9, alpha=0.01), diabetes),
    "boosted quantile": Kind(
        lambda: GradientBoostingRegressor(loss="quantile", alpha=0.9, n_estimators=TREES), diabetes
    ),
    "hist-boosted quantile": Kind(
        lambda: HistGradientBoostingRegressor(loss="quantile", quantile=0.1, max_iter=TREES),
        diabetes,
    ),
    # Several classes.
    "forest, two questions": Kind(
        lambda: RandomForestClassifier(TREES, random_state=0),
        two_questions,
        targets=("cultivar", "strength"),
        methods=PROBA,
    ),
    "tree, two and three classes": Kind(
        lambda: DecisionTreeClassifier(max_depth=4), two_numbered, methods=PROBA
    ),
    "neighbors, two questions": Kind(steps(KNeighborsClassifier()), two_questions, methods=PROBA),
    "several logistic": Kind(
        steps(MultiOutputClassifier(LogisticRegression())), two_questions, methods=PROBA
    ),
    "several linear support vectors": Kind(
        steps(MultiOutputClassifier(LinearSVC(random_state=0))), two_questions
    ),
    "chain of other order": Kind(
        steps(ClassifierChain(LogisticRegression(), order=[1, 0])), two_numbered
    ),
    # Labels that are present or not.
    "one-vs-rest labels": Kind(
        steps(OneVsRestClassifier(LogisticRegression())),
        labels,
        targets=("alcohol", "color", "proline"),
        methods=PROBA,
    ),
    "one-vs-rest labels by decision": Kind(
        steps(OneVsRestClassifier(LinearSVC(random_state=0))), labels, methods=DECISION
    ),
    "labels by ridge": Kind(steps(RidgeClassifier()), labels, methods=DECISION),
    "labels by forest": Kind(
        lambda: RandomForestClassifier(TREES, random_state=0), labels, methods=PROBA
    ),
    "labels by neighbors": Kind(steps(KNeighborsClassifier(3)), labels, methods=PROBA),
    "labels by perceptron": Kind(
        steps(MLPClassifier((8,), max_iter=300, random_state=0)), labels, methods=PROBA
    ),
    "labels by several trees": Kind(
        lambda: MultiOutputClassifier(DecisionTreeClassifier(max_depth=3)), labels, methods=PROBA
    ),
    "labels by chain": Kind(
        steps(ClassifierChain(LogisticRegression(), order="random", random_state=3)),
        labels,
        methods=PROBA,
    ),
    "labels by chain of probabilities": Kind(
        steps(ClassifierChain(LogisticRegression(), chain_method="predict_proba")),
        labels,
        methods=PROBA,
    ),
    "two labels by ridge": Kind(
        steps(RidgeClassifier()),
        lambda: (labels()[0], labels()[1][:, :2]),
        methods=DECISION,
    ),
    # Decision functions instead of probabilities.
    "linear support vectors": Kind(steps(LinearSVC(random_state=0)), iris, methods=DECISION),
    "linear support vectors, booleans": Kind(
        steps(LinearSVC(random_state=0)), cancer, methods=DECISION
    ),
    "ridge classifier": Kind(RidgeClassifier, iris, methods=DECISION),
    "perceptron": Kind(steps(Perceptron(random_state=0)), iris, methods=DECISION),
    "hinge loss": Kind(steps(SGDClassifier(random_state=0)), cancer, methods=DECISION),
    "support vectors": Kind(steps(SVC()), iris, methods=DECISION),
    "support vectors, two classes": Kind(steps(SVC()), cancer, methods=DECISION),
    "support vectors, pairs": Kind(
        steps(SVC(decision_function_shape="ovo")), iris, methods=DECISION
    ),
    "nu support vectors": Kind(steps(NuSVC()), iris, methods=DECISION),
    "one-vs-rest by decision": Kind(
        steps(OneVsRestClassifier(LinearSVC(random_state=0))), iris, methods=DECISION
    ),
    "hard voting": Kind(
        lambda: VotingClassifier(
            [("a", RidgeClassifier()), ("b", DecisionTreeClassifier(max_depth=3))]
        ),
        iris,
    ),
    # A classifier with means, like a mixture, and with transform, like a projection.
    "linear discriminant": Kind(LinearDiscriminantAnalysis, iris, methods=PROBA),
    # Anomalies.
    "isolation forest": Kind(
        lambda: IsolationForest(n_estimators=TREES, random_state=0), unlabelled, methods=DECISION
    ),
    "isolation forest of some columns": Kind(
        lambda: IsolationForest(
            n_estimators=TREES, max_features=0.5, contamination=0.1, random_state=0
        ),
        unlabelled,
        methods=DECISION,
    ),
    "one-class support vectors": Kind(steps(OneClassSVM(nu=0.1)), unlabelled, methods=DECISION),
    "linear one-class": Kind(
        steps(SGDOneClassSVM(nu=0.1, random_state=0)), unlabelled, methods=DECISION
    ),
    "elliptic envelope": Kind(
        steps(EllipticEnvelope(random_state=0)), unlabelled, methods=DECISION
    ),
    "local outlier factor": Kind(
        steps(LocalOutlierFactor(novelty=True)), unlabelled, engine="sklearn", methods=DECISION
    ),
    # Clusters.
    "k-means": Kind(steps(KMeans(4, n_init=1, random_state=0)), unlabelled),
    "mini-batch k-means": Kind(steps(MiniBatchKMeans(3, n_init=1, random_state=0)), unlabelled),
    "bisecting k-means": Kind(steps(BisectingKMeans(5, random_state=0)), unlabelled),
    "mean shift": Kind(lambda: MeanShift(bandwidth=4), scaled),
    "affinity propagation": Kind(lambda: AffinityPropagation(random_state=0), scaled),
    "birch": Kind(lambda: Birch(n_clusters=3), scaled),
    "gaussian mixture": Kind(steps(GaussianMixture(3, random_state=0)), unlabelled, methods=PROBA),
    **{
        f"gaussian mixture, {shape}": Kind(
            steps(GaussianMixture(3, covariance_type=shape, random_state=0)),
            unlabelled,
            methods=PROBA,
        )
        for shape in ("tied", "diag", "spherical")
    },
    "bayesian gaussian mixture": Kind(
        steps(BayesianGaussianMixture(n_components=3, random_state=0)), unlabelled, methods=PROBA
    ),
    "bayesian gaussian mixture, dirichlet": Kind(
        steps(
            BayesianGaussianMixture(
                n_components=3,
                covariance_type="diag",
                weight_concentration_prior_type="dirichlet_distribution",
                random_state=0,
            )
        ),
        unlabelled,
        methods=PROBA,
    ),
    # Vectors.
    "scaler": Kind(StandardScaler, unlabelled, methods=VECTOR),
    "PCA": Kind(steps(PCA(3)), unlabelled, methods=VECTOR),
    "incremental PCA": Kind(steps(IncrementalPCA(3)), unlabelled, methods=VECTOR),
    "truncated SVD": Kind(steps(TruncatedSVD(2, random_state=0)), unlabelled, methods=VECTOR),
    "one number": Kind(steps(PCA(1)), unlabelled, methods=VECTOR),
    "polynomial": Kind(lambda: PolynomialFeatures(2), linnerud, methods=VECTOR),
    "selection": Kind(lambda: SelectKBest(k=2), iris, methods=VECTOR),
}
