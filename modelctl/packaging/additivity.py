"""Whether a model's answers are a sum of one term per input: such models are explained exactly.

A linear last step keeps a sum a sum; the steps before it must either read one column at a time or,
once columns are mixed (PCA), be linear themselves. Decided by the classes of the fitted steps, so
nothing of the user's own qualifies; `explanations` checks it on the sample as well.
"""

from __future__ import annotations

from typing import Any, Literal

from modelctl.packaging.lowering.walk import kind, unwrapped

# What a step does: reads one column at a time, by any function or by a linear one; or adds up
# columns with fixed weights.
Work = Literal["columns", "linear columns", "mixes"]
LINEAR_REGRESSORS = frozenset(
    ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV",
     "LassoLarsIC", "ElasticNet", "ElasticNetCV", "Lars", "LarsCV", "BayesianRidge",
     "ARDRegression", "HuberRegressor", "TheilSenRegressor", "OrthogonalMatchingPursuit",
     "OrthogonalMatchingPursuitCV", "SGDRegressor", "LinearSVR", "PassiveAggressiveRegressor",
     "QuantileRegressor", "MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet",
     "MultiTaskElasticNetCV")
)  # fmt: skip
# Of these the decision is explained, which is linear. What has probabilities is explained by them,
# and they are not.
LINEAR_CLASSIFIERS = frozenset(
    ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV", "SGDClassifier", "Perceptron",
     "PassiveAggressiveClassifier")
)  # fmt: skip
LINEAR_COLUMNS = frozenset(("StandardScaler", "MaxAbsScaler", "RobustScaler"))
COLUMNS = frozenset(
    ("MinMaxScaler", "QuantileTransformer", "PowerTransformer", "SimpleImputer",
     "MissingIndicator", "OneHotEncoder", "OrdinalEncoder", "TargetEncoder", "KBinsDiscretizer",
     "SplineTransformer", "Binarizer", "CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
)  # fmt: skip
MIXES = frozenset(("PCA", "IncrementalPCA", "TruncatedSVD"))
# Columns are left out, none is changed.
SELECTS = frozenset(
    ("VarianceThreshold", "SelectKBest", "SelectPercentile", "SelectFromModel", "SelectFpr",
     "SelectFdr", "SelectFwe", "RFE", "RFECV", "SequentialFeatureSelector")
)  # fmt: skip
NOTHING = ("passthrough", "drop", None)


def is_additive(estimator: Any, part: str | None) -> bool:
    """Whether the explained part of the answers is a sum of one term per input."""
    estimator = unwrapped(estimator)
    steps = []
    while kind(estimator) == "Pipeline":
        steps += [step for _, step in estimator.steps[:-1]]
        estimator = unwrapped(estimator.steps[-1][1])
    linear = {"prediction": LINEAR_REGRESSORS, "decision": LINEAR_CLASSIFIERS}
    return kind(estimator) in linear.get(str(part), ()) and _chained(steps) is not None


def _chained(steps: list[Any]) -> Work | None:
    """What steps do one after the other; None if it is more than that."""
    work: Work = "linear columns"
    for step in steps:
        found = _work(step)
        if found is None or (work == "mixes" and found == "columns"):
            return None
        work = found if work == "linear columns" or found == "mixes" else work
    return work


def _work(step: Any) -> Work | None:
    name = kind(step)
    if (isinstance(step, str) or step is None) and step in NOTHING:
        return "linear columns"
    if name == "Pipeline":
        return _chained([inner for _, inner in step.steps])
    if name == "ColumnTransformer":
        return _beside([inner for _, inner, _ in step.transformers_])
    if name == "FeatureUnion":
        return _beside([inner for _, inner in step.transformer_list])
    if name in LINEAR_COLUMNS or name in SELECTS:
        return "linear columns"
    if name in MIXES:
        return "mixes"
    return "columns" if name in COLUMNS else None


def _beside(steps: list[Any]) -> Work | None:
    """What steps do side by side, each with its own columns of the result."""
    found = {_work(step) for step in steps}
    if None in found or found >= {"columns", "mixes"}:
        # A later step sees both: what one may follow, the other may not.
        return None
    order: tuple[Work, ...] = ("mixes", "columns", "linear columns")
    return next((work for work in order if work in found), "linear columns")
