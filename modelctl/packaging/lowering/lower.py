"""The entry point: a fitted estimator and its contract -> an ONNX model, or the reason why not.

The two tables map class names to translations; all other estimators keep the sklearn engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.model.onnx_engine import output_names
from app.model.sklearn_engine import fitted_names
from modelctl.packaging.lowering import (
    anomalies,
    bayes,
    calibration,
    catboost_trees,
    clusters,
    composite,
    encoders,
    functions,
    imputing,
    lightgbm_trees,
    linear,
    neighbors,
    neural,
    piecewise,
    preprocessing,
    several,
    svm,
    trees,
    walk,
    xgboost_trees,
)
from modelctl.packaging.lowering.columns import Block, Column
from modelctl.packaging.lowering.graph import INPUT, CannotLowerError, Graph
from modelctl.packaging.lowering.scores import vector

if TYPE_CHECKING:
    import onnx

    from app.model.contract import Contract, Output
    from app.model.feature import Feature

walk.TRANSFORMS.update(
    {
        "ColumnTransformer": walk.column_transformer,
        "FeatureUnion": walk.feature_union,
        "StandardScaler": preprocessing.standard_scaler,
        "MinMaxScaler": preprocessing.min_max_scaler,
        "MaxAbsScaler": preprocessing.max_abs_scaler,
        "RobustScaler": preprocessing.robust_scaler,
        "Normalizer": preprocessing.normalizer,
        "Binarizer": preprocessing.binarizer,
        "PowerTransformer": functions.power_transformer,
        "QuantileTransformer": piecewise.quantile_transformer,
        "KBinsDiscretizer": piecewise.bins,
        "SimpleImputer": imputing.simple_imputer,
        "MissingIndicator": imputing.missing_indicator,
        "OneHotEncoder": encoders.one_hot_encoder,
        "OrdinalEncoder": encoders.ordinal_encoder,
        "TargetEncoder": encoders.target_encoder,
        "PolynomialFeatures": preprocessing.polynomial_features,
        "FunctionTransformer": functions.function_transformer,
        "PCA": preprocessing.pca,
        "TruncatedSVD": preprocessing.truncated_svd,
        "SelectKBest": preprocessing.selector,
        "SelectPercentile": preprocessing.selector,
        "SelectFpr": preprocessing.selector,
        "SelectFdr": preprocessing.selector,
        "SelectFwe": preprocessing.selector,
        "GenericUnivariateSelect": preprocessing.selector,
        "SequentialFeatureSelector": preprocessing.selector,
        "SelectFromModel": preprocessing.selector,
        "RFE": preprocessing.selector,
        "RFECV": preprocessing.selector,
        "VarianceThreshold": preprocessing.selector,
    }
)
walk.PREDICTORS.update(
    {
        "LogisticRegression": linear.logistic_regression,
        "LogisticRegressionCV": linear.logistic_regression,
        "LinearDiscriminantAnalysis": linear.logistic_regression,
        "SGDClassifier": linear.sgd_classifier,
        "RidgeClassifier": linear.linear_classifier,
        "RidgeClassifierCV": linear.linear_classifier,
        "LinearSVC": linear.linear_classifier,
        "Perceptron": linear.linear_classifier,
        "LinearRegression": linear.linear_regressor,
        "Ridge": linear.linear_regressor,
        "RidgeCV": linear.linear_regressor,
        "Lasso": linear.linear_regressor,
        "LassoCV": linear.linear_regressor,
        "ElasticNet": linear.linear_regressor,
        "ElasticNetCV": linear.linear_regressor,
        "BayesianRidge": linear.linear_regressor,
        "HuberRegressor": linear.linear_regressor,
        "SGDRegressor": linear.linear_regressor,
        "LinearSVR": linear.linear_regressor,
        "ARDRegression": linear.linear_regressor,
        "Lars": linear.linear_regressor,
        "LarsCV": linear.linear_regressor,
        "LassoLars": linear.linear_regressor,
        "LassoLarsCV": linear.linear_regressor,
        "LassoLarsIC": linear.linear_regressor,
        "OrthogonalMatchingPursuit": linear.linear_regressor,
        "OrthogonalMatchingPursuitCV": linear.linear_regressor,
        "QuantileRegressor": linear.linear_regressor,
        "TheilSenRegressor": linear.linear_regressor,
        "PLSRegression": linear.partial_least_squares,
        "TweedieRegressor": linear.tweedie_regressor,
        "PoissonRegressor": linear.log_linear_regressor,
        "GammaRegressor": linear.log_linear_regressor,
        "GaussianNB": bayes.gaussian,
        "MultinomialNB": bayes.multinomial,
        "BernoulliNB": bayes.bernoulli,
        "SVC": svm.classifier,
        "NuSVC": svm.classifier,
        "SVR": svm.regressor,
        "NuSVR": svm.regressor,
        "KNeighborsClassifier": neighbors.classifier,
        "KNeighborsRegressor": neighbors.regressor,
        "MLPClassifier": neural.classifier,
        "MLPRegressor": neural.regressor,
        "DecisionTreeClassifier": trees.tree_classifier,
        "ExtraTreeClassifier": trees.tree_classifier,
        "RandomForestClassifier": trees.tree_classifier,
        "ExtraTreesClassifier": trees.tree_classifier,
        "DecisionTreeRegressor": trees.tree_regressor,
        "ExtraTreeRegressor": trees.tree_regressor,
        "RandomForestRegressor": trees.tree_regressor,
        "ExtraTreesRegressor": trees.tree_regressor,
        "GradientBoostingClassifier": trees.gradient_boosting_classifier,
        "GradientBoostingRegressor": trees.gradient_boosting_regressor,
        "HistGradientBoostingClassifier": trees.hist_boosting_classifier,
        "HistGradientBoostingRegressor": trees.hist_boosting_regressor,
        "XGBClassifier": xgboost_trees.classifier,
        "XGBRFClassifier": xgboost_trees.classifier,
        "XGBRegressor": xgboost_trees.regressor,
        "XGBRFRegressor": xgboost_trees.regressor,
        "XGBRanker": xgboost_trees.regressor,
        "LGBMClassifier": lightgbm_trees.classifier,
        "LGBMRegressor": lightgbm_trees.regressor,
        "LGBMRanker": lightgbm_trees.regressor,
        "CatBoostClassifier": catboost_trees.classifier,
        "CatBoostRegressor": catboost_trees.regressor,
        "CatBoostRanker": catboost_trees.ranker,
        "VotingClassifier": composite.voting_classifier,
        "VotingRegressor": composite.voting_regressor,
        "StackingClassifier": composite.stacking_classifier,
        "StackingRegressor": composite.stacking_regressor,
        "CalibratedClassifierCV": calibration.calibrated_classifier,
        "TransformedTargetRegressor": composite.transformed_target,
        "FixedThresholdClassifier": composite.threshold_classifier,
        "TunedThresholdClassifierCV": composite.threshold_classifier,
        "OneVsRestClassifier": composite.one_vs_rest,
        "AdaBoostClassifier": composite.ada_boost_classifier,
        "BaggingClassifier": composite.bagging_classifier,
        "BaggingRegressor": composite.bagging_regressor,
    }
)
# Outputs beyond one class or number.
walk.PREDICTORS.update(
    {
        "MultiTaskLasso": linear.linear_regressor,
        "MultiTaskLassoCV": linear.linear_regressor,
        "MultiTaskElasticNet": linear.linear_regressor,
        "MultiTaskElasticNetCV": linear.linear_regressor,
        "PLSCanonical": linear.partial_least_squares,
        "CCA": linear.partial_least_squares,
        "MultiOutputRegressor": several.multi_output_regressor,
        "MultiOutputClassifier": several.multi_output_classifier,
        "RegressorChain": several.regressor_chain,
        "ClassifierChain": several.classifier_chain,
        "IsolationForest": anomalies.isolation_forest,
        "OneClassSVM": svm.one_class,
        "SGDOneClassSVM": anomalies.linear_one_class,
        "EllipticEnvelope": anomalies.elliptic_envelope,
        "KMeans": clusters.nearest_center,
        "MiniBatchKMeans": clusters.nearest_center,
        "MeanShift": clusters.nearest_center,
        "AffinityPropagation": clusters.nearest_center,
        "BisectingKMeans": clusters.bisecting,
        "Birch": clusters.birch,
        "GaussianMixture": clusters.gaussian_mixture,
        "BayesianGaussianMixture": clusters.bayesian_gaussian_mixture,
    }
)
walk.TRANSFORMS.update({"IncrementalPCA": preprocessing.pca})


def lower(estimator: Any, contract: Contract) -> onnx.ModelProto:
    """Translate the whole estimator. Raises CannotLowerError with the reason."""
    graph = Graph()
    for feature in contract.inputs:
        if feature.is_text or feature.dtype == "datetime":
            what = "free text" if feature.is_text else "a time"
            raise CannotLowerError(f"{what} in feature {feature.name!r}")
    block = Block(_in_precision(graph, contract), tuple(map(_column, contract.inputs)))
    block = _with_unused(graph, estimator, contract, block)
    return _model(graph, len(contract.inputs), estimator, block, contract.output)


def _in_precision(graph: Graph, contract: Contract) -> str:
    """The rows as they were in training: rounded to float32 if all numbers were."""
    kinds = {feature.storage for feature in contract.inputs if feature.dtype == "float"}
    if kinds <= {""}:
        return INPUT
    if kinds != {"float32"}:
        raise CannotLowerError("columns of several precisions")
    return graph.through_float32(INPUT)


def _column(feature: Feature) -> Column:
    """What the numbers of a feature mean: an unseen text is -1, which no encoder knows."""
    closed = None if feature.closed is None else frozenset(feature.closed)
    if feature.dtype == "boolean" and closed is None:
        closed = frozenset((False, True))
    categories = feature.categories if feature.dtype == "string" else None
    return Column(categories, closed, is_whole=feature.dtype == "integer")


def _with_unused(graph: Graph, estimator: Any, contract: Contract, block: Block) -> Block:
    """The columns in fitted order, with a placeholder for each one that the first step drops."""
    names = fitted_names(estimator, contract.names)
    if names is None or names == list(contract.names):
        return block
    places = {name: at for at, name in enumerate(contract.names)}
    return block.pick(graph, [places.get(name, 0) for name in names])


def lower_numeric(estimator: Any, width: int, output: Output) -> onnx.ModelProto:
    """Translate an estimator with numeric inputs, such as a last step. Raises CannotLowerError."""
    graph = Graph()
    return _model(graph, width, estimator, Block(INPUT, (Column(),) * width), output)


def _model(
    graph: Graph, width: int, estimator: Any, block: Block, output: Output
) -> onnx.ModelProto:
    """The finished model with the outputs that the engine asks for."""
    if output.kind == "transformer":
        block = walk.transform(graph, estimator, block)
        vector_name = block.numbers("a transformer as last step")
        return graph.model(width, {"vector": vector_name}, matrices={"vector"})
    found = walk.predict(graph, estimator, block)
    if output.scores and "decision" in found:
        score = found["decision"]
        found["score"] = vector(graph, score) if output.width is None else score
    names = output_names(output)
    missing = [name for name in names if name not in found]
    if missing:
        raise CannotLowerError(f"no exact translation of its {' and '.join(missing)}")
    matrices = {"probability"}
    matrices |= {"label", "value"} if output.targets else set()
    matrices |= {"score"} if output.width is not None else set()
    return graph.model(width, {name: found[name] for name in names}, matrices)
