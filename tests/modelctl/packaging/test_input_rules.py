"""model.yaml has the last word on inputs, and only a word that the model can keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from palmerpenguins import load_penguins
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from app.errors import RequestError
from app.model.contract import Contract
from app.model.feature import Feature
from app.model.validation import Validator
from modelctl.errors import ModelctlError
from modelctl.packaging import candidates
from modelctl.packaging.inference import infer
from modelctl.packaging.input_rules import InputRules, read_rules
from modelctl.packaging.inputs_block import write_inputs

NUMBERS = ["bill_length_mm", "body_mass_g"]


@pytest.fixture(autouse=True)
def fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "PERTURBED_ROWS", 200)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    loaded: pd.DataFrame = load_penguins()[[*NUMBERS, "island", "species"]].dropna()
    return loaded.reset_index(drop=True)


def fitted(frame: pd.DataFrame, encoder: Any) -> Any:
    columns = ColumnTransformer([("n", StandardScaler(), NUMBERS), ("c", encoder, ["island"])])
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    return model.fit(frame[[*NUMBERS, "island"]], frame["species"])


def contract(frame: pd.DataFrame, model: Any, config: dict[str, Any]) -> Contract:
    inputs = frame.drop(columns="species")
    return infer(model, inputs, "species", read_rules(config))[0].contract


def feature(found: Contract, name: str) -> Feature:
    return next(entry for entry in found.inputs if entry.name == name)


def refusal(found: Contract, row: dict[str, Any]) -> str:
    with pytest.raises(RequestError) as refused:
        Validator(found).batch([row], [("row",)], limit=1)
    return refused.value.detail


ROW = {"bill_length_mm": 40.0, "body_mass_g": 4000, "island": "Dream"}


def test_a_range_is_enforced_and_named(frame: pd.DataFrame) -> None:
    rules = {"inputs": {"body_mass_g": {"range": {"min": 100, "max": 9000}}}}
    found = contract(frame, fitted(frame, OneHotEncoder()), rules)
    assert feature(found, "body_mass_g").range == (100, 9000)
    assert refusal(found, {**ROW, "body_mass_g": 99}) == "row.body_mass_g: expected 100 to 9000"
    assert len(Validator(found).batch([ROW], [("row",)], limit=1)) == 1


def test_a_list_is_closed_on_request(frame: pd.DataFrame) -> None:
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = fitted(frame, encoder)
    assert feature(contract(frame, model, {}), "island").unseen == "pass"
    found = contract(frame, model, {"inputs": {"island": {"unseen": "refuse"}}})
    assert "expected one of Biscoe" in refusal(found, {**ROW, "island": "Atlantis"})


def test_a_sensitive_list_is_told_to_nobody(frame: pd.DataFrame) -> None:
    rules = {"inputs": {"island": {"sensitive": True}}}
    found = contract(frame, fitted(frame, OneHotEncoder()), rules)
    assert refusal(found, {**ROW, "island": "Atlantis"}) == "row.island: unknown category"
    assert feature(found, "island").as_public()["categories"] is None
    assert feature(found, "island").as_manifest()["categories"] == ["Biscoe", "Dream", "Torgersen"]


def test_missing_values_are_refused_on_request(frame: pd.DataFrame) -> None:
    with_gaps = frame.copy()
    with_gaps.loc[3, "body_mass_g"] = None
    model = DecisionTreeClassifier(max_depth=3, random_state=0)
    model.fit(with_gaps[NUMBERS], with_gaps["species"])
    numbers = with_gaps[[*NUMBERS, "species"]]
    row = {"bill_length_mm": 40.0, "body_mass_g": None}
    assert len(Validator(contract(numbers, model, {})).batch([row], [("row",)], limit=1)) == 1
    # The sample of a model that is told to refuse them must have none itself.
    found = contract(numbers.dropna(), model, {"inputs": {"body_mass_g": {"missing": "refuse"}}})
    assert "expected a value, found null" in refusal(found, row)


@pytest.mark.parametrize(
    ("rule", "what"),
    [({"missing": "allow"}, "missing values"), ({"unseen": "pass"}, "values that training has")],
)
def test_a_rule_that_the_model_cannot_keep_is_refused(
    frame: pd.DataFrame, rule: dict[str, str], what: str
) -> None:
    model = fitted(frame, OneHotEncoder())
    with pytest.raises(ModelctlError, match=f"the model refuses {what}"):
        contract(frame, model, {"inputs": {"island": rule}})


def test_the_order_of_inputs_is_that_of_positions(frame: pd.DataFrame) -> None:
    names = ["island", "body_mass_g", "bill_length_mm"]
    found = contract(frame, fitted(frame, OneHotEncoder()), {"inputs": dict.fromkeys(names)})
    assert found.names == tuple(names)
    array = LogisticRegression(max_iter=500).fit(frame[NUMBERS].to_numpy(), frame["species"])
    rules = {"inputs": dict.fromkeys(reversed(NUMBERS))}
    with pytest.raises(ModelctlError, match="fitted on an array"):
        contract(frame[[*NUMBERS, "species"]], array, rules)


def test_keys_that_are_no_inputs_are_ignored_on_request(frame: pd.DataFrame) -> None:
    model = fitted(frame, OneHotEncoder())
    row = {**ROW, "customer": 7}
    assert refusal(contract(frame, model, {}), row) == "row.customer: unknown feature"
    found = contract(frame, model, {"extra": "ignore"})
    assert len(Validator(found).batch([row], [("row",)], limit=1)) == 1


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"inputs": {"x": {"dtype": "double"}}}, "inputs.x.dtype"),
        ({"inputs": {"x": {"misssing": "allow"}}}, "inputs.x.misssing"),
        ({"inputs": {"x": {"range": {"min": 2, "max": 1}}}}, "inputs.x.range"),
        ({"inputs": {"x": {"range": {}}}}, "inputs.x.range"),
        ({"inputs": ["x"]}, "inputs"),
        ({"extra": "drop"}, "extra"),
        ({"constant": True}, "constant"),
    ],
)
def test_faults_are_named_by_key(config: dict[str, Any], fault: str) -> None:
    with pytest.raises(ModelctlError) as refused:
        read_rules(config)
    assert refused.value.found.startswith(fault)


def test_a_rule_for_no_input_and_an_example_of_no_value_are_refused(frame: pd.DataFrame) -> None:
    model = fitted(frame, OneHotEncoder())
    with pytest.raises(ModelctlError, match="unknown inputs: Island"):
        contract(frame, model, {"inputs": {"Island": {}}})
    with pytest.raises(ModelctlError, match="example of 'island'"):
        contract(frame, model, {"inputs": {"island": {"example": "Atlantis"}}})


def test_what_is_written_says_the_same_again(frame: pd.DataFrame, tmp_path: Path) -> None:
    model = fitted(frame, OneHotEncoder(handle_unknown="ignore"))
    inputs = frame.drop(columns="species")
    subject, inferred = infer(model, inputs, "species", InputRules())
    config = tmp_path / "model.yaml"
    config.write_text("# Mine.\nname: x\nversion: 1.0.0")
    write_inputs(config, inferred)
    text = config.read_text()
    assert text.startswith("# Mine.\nname: x\nversion: 1.0.0\n# What a request may send")
    assert "  # From OneHotEncoder.\n  island:\n    dtype: string\n    missing: allow\n" in text
    again, _ = infer(model, inputs, "species", read_rules(yaml.safe_load(text)))
    assert again.contract == subject.contract
    with pytest.raises(ModelctlError, match="already"):
        write_inputs(config, inferred)
