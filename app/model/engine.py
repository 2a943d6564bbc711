"""Load the engine that packaging chose for a bundle, and self-test it.

Models are loaded once, before workers are forked, and predict only in workers. Each engine imports
its own libraries, so an onnx image needs no scikit-learn.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from app.errors import BundleRefusedError, RequestError
from app.model.bundle import REPACKAGE
from app.model.validation import Validator

if TYPE_CHECKING:
    from app.model.bundle import Bundle
    from app.model.contract import Contract
    from app.model.prediction import Engine, Prediction
    from app.model.validation import Batch

SAMPLE = "sample.json"
# Tolerance between a prediction and the one recorded at packaging; relative above 1.
SELF_TEST_TOLERANCE = 1e-6
# The arrays of a prediction that the sample records beside `predictions`.
NUMBERS = ("probabilities", "scores")


def load(bundle: Bundle, contract: Contract) -> Engine:
    """Load the engine that the manifest names. Raises BundleRefusedError."""
    name = bundle.manifest.get("engine")
    if name == "onnx":
        from app.model.onnx_engine import OnnxEngine

        return OnnxEngine(bundle.read("model.onnx"), contract)
    if name == "sklearn":
        from app.model.sklearn_engine import SklearnEngine

        return SklearnEngine.from_bundle(bundle, contract)
    raise BundleRefusedError(
        "manifest.json names an unknown engine",
        expected="onnx or sklearn",
        found=repr(name)[:100],
        fix="use the image version it was packaged for, or package the model again",
    )


def self_test(bundle: Bundle, contract: Contract, engine: Engine) -> None:
    """Predict the bundle's sample and compare with what was recorded at packaging.

    Predictions, probabilities and scores are compared; rows that the model refused at packaging
    have to be refused here as well. Raises BundleRefusedError: a CPU or library that computes
    different results must not serve.
    Also the warm-up: afterwards the engine has allocated what a request needs.
    """
    try:
        _predict_sample(bundle, contract, engine)
    except BundleRefusedError:
        raise
    except Exception as error:
        raise _fails(f"{type(error).__name__}: {error}"[:300]) from error


def _predict_sample(bundle: Bundle, contract: Contract, engine: Engine) -> None:
    sample = orjson.loads(bundle.read(SAMPLE))
    rows = sample["rows"]
    if not rows:
        raise BundleRefusedError(
            f"{SAMPLE} has no rows", expected="one or more", found="none", fix=REPACKAGE
        )
    locs: list[tuple[str | int, ...]] = [("rows", index) for index in range(len(rows))]
    validator = Validator(contract)
    batch = validator.batch(rows, locs, limit=len(rows))
    prediction = engine.predict(batch)
    for index, (expected, value) in enumerate(
        zip(sample["predictions"], prediction.values, strict=True)
    ):
        if not _matches(expected, value):
            raise _differs(
                f"the prediction for sample row {index} differs from the one", expected, value
            )
    for name in NUMBERS:
        _require_same_numbers(name, sample.get(name), prediction)
    for index, row in enumerate(sample.get("refused", ())):
        if not refuses(validator, engine, row):
            raise BundleRefusedError(
                f"row {index} of those to refuse was answered",
                expected="an error, as at packaging: the model itself refuses this row",
                found="a prediction",
                fix="use an image with the library versions that the manifest lists",
            )


def _require_same_numbers(name: str, recorded: Any, prediction: Prediction) -> None:
    """Raise BundleRefusedError unless these numbers of every row are the recorded ones.

    Bundles of an earlier modelctl have recorded none. As arrays: a text classifier has thousands.
    """
    if recorded is None:
        return
    expected = np.asarray(recorded, dtype=np.float64)
    found = getattr(prediction, name)
    if found is None or found.shape != expected.shape:
        shape = None if found is None else found.shape
        raise BundleRefusedError(
            f"the {name} of the sample have another shape than at packaging",
            expected=str(expected.shape),
            found=str(shape),
            fix="package the model again with this image's library versions",
        )
    limit = SELF_TEST_TOLERANCE * np.maximum(1.0, np.abs(expected))
    # Not `>`: a NaN is no such number either.
    is_same = (np.abs(found - expected) <= limit).reshape(len(expected), -1).all(axis=1)
    for index in np.flatnonzero(~is_same)[:1].tolist():
        what = f"the {name} for sample row {index} differ from those"
        raise _differs(what, expected[index].tolist(), found[index].tolist())


def _differs(what: str, expected: Any, found: Any) -> BundleRefusedError:
    return BundleRefusedError(
        f"{what} at packaging",
        expected=repr(expected)[:300],
        found=repr(found)[:300],
        fix="use an image with the library versions that the manifest lists",
    )


def first_row(bundle: Bundle, contract: Contract) -> Batch:
    """The first row of the sample, which every engine has to answer."""
    rows = orjson.loads(bundle.read(SAMPLE))["rows"]
    return Validator(contract).batch(rows[:1], [("rows", 0)], limit=1)


def refuses(validator: Validator, engine: Engine, row: list[Any]) -> bool:
    """Whether the contract or the engine refuses a row, as a client's error."""
    try:
        engine.predict(validator.batch([row], [("row",)], limit=1))
    except RequestError:
        return True
    return False


def self_test_in_child(bundle: Bundle, contract: Contract, engine: Engine) -> None:
    """Run `self_test` in a forked child, so that this process can still fork workers.

    OpenMP breaks in forked processes once its threads exist. Raises BundleRefusedError.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code, report = 1, b""
        try:
            self_test(bundle, contract, engine)
            code = 0
        except BundleRefusedError as error:
            code, report = 3, orjson.dumps(error.fields())
        finally:
            os.write(writer, report)
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        report = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 3:
        fields = {key: text for key, text in orjson.loads(report).items() if key != "event"}
        raise BundleRefusedError(fields.pop("what"), **fields)
    if code != 0:
        raise _fails(f"the self-test exited with code {code}")


def _fails(found: str) -> BundleRefusedError:
    return BundleRefusedError(
        "the model failed to predict its own sample",
        expected="the predictions recorded at packaging",
        found=found,
        fix="package the model again with this image's library versions",
    )


def _matches(expected: Any, actual: Any) -> bool:
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            _matches(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_matches, expected, actual))
    if isinstance(expected, float) and isinstance(actual, float):
        return math.isclose(
            expected, actual, rel_tol=SELF_TEST_TOLERANCE, abs_tol=SELF_TEST_TOLERANCE
        )
    return bool(expected == actual)
