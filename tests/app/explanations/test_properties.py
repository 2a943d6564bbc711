"""What holds for every explanation of a served model, drawn orders included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from palmerpenguins import load_penguins
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.app.conftest import make_client
from tests.app.explanations.explained import Explained, assert_adds_up, contributions, serve

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"]
WORDS = ["island", "sex"]
VALUES = st.fixed_dictionaries(
    {
        **{name: st.none() | st.floats(-10, 7000) for name in NUMBERS},
        "island": st.none() | st.sampled_from(["Biscoe", "Dream", "Torgersen", "Atlantis"]),
        "sex": st.none() | st.sampled_from(["male", "female"]),
    }
)


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    """Seven features of both kinds, all of which may be missing: orders are drawn."""
    frame = load_penguins()[[*NUMBERS, *WORDS, "species"]]
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    prepare = make_column_transformer((SimpleImputer(), NUMBERS), (words, WORDS))
    model = make_pipeline(prepare, RandomForestClassifier(10, max_depth=6, random_state=0))
    model.fit(frame[[*NUMBERS, *WORDS]], frame["species"])
    return serve(tmp_path_factory.mktemp("penguins"), model, frame, "species")


@given(st.lists(VALUES, min_size=1, max_size=3))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_row_adds_up_and_is_explained_alike_alone_and_among_others(
    penguins: Explained, rows: list[dict[str, Any]]
) -> None:
    response = penguins.client.post("/explain", json={"instances": rows})
    assert response.status_code == 200, response.text
    for row, answer in zip(rows, response.get_json()["predictions"], strict=True):
        assert answer["explanation"]["method"] == "sampled"
        assert_adds_up(answer)
        alone = penguins.answer(row)
        assert alone["explanation"] == answer["explanation"]
        # The classes share one probability.
        assert np.abs(contributions(answer).sum(axis=1)).max() < 1e-9


def test_another_process_draws_the_same(penguins: Explained) -> None:
    row = penguins.features.iloc[3]
    again = Explained(
        make_client(penguins.bundle), penguins.features, penguins.background, penguins.bundle
    )
    assert again.answer(row)["explanation"] == penguins.answer(row)["explanation"]


def test_what_no_step_reads_is_no_feature(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(300, 8)), columns=[f"x{at}" for at in range(8)])
    target = np.abs(frame["x0"] + frame["x1"]) * frame["x2"] + frame["x3"] * frame["x4"]
    model = make_pipeline(
        make_column_transformer(("passthrough", [f"x{at}" for at in range(5)]), remainder="drop"),
        RandomForestRegressor(20, random_state=0),
    ).fit(frame, target)
    explained = serve(tmp_path, model, frame.assign(y=target), "y")
    answer = explained.answer(frame.iloc[0])
    # What no step reads is no input, and may not be missed in the sum.
    assert list(answer["explanation"]["contributions"]) == [f"x{at}" for at in range(5)]
    assert_adds_up(answer)


def test_a_feature_that_is_read_and_not_used_gets_exactly_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(200, 10)), columns=[f"x{at}" for at in range(10)])
    target = (frame["x0"] > 0) * 3.0 + (frame["x1"] > 0) * 2.0 * (frame["x2"] > 0)
    model = RandomForestRegressor(5, max_depth=3, random_state=0).fit(frame, target)
    shares = zip(frame.columns, model.feature_importances_, strict=True)
    unused = [name for name, share in shares if share == 0]
    assert len(unused) >= 2
    explained = serve(tmp_path, model, frame.assign(y=target), "y")
    for at in range(5):
        answer = explained.answer(explained.features.iloc[at])
        assert answer["explanation"]["method"] == "sampled"
        assert_adds_up(answer)
        added = answer["explanation"]["contributions"]
        assert {name: added[name] for name in unused} == dict.fromkeys(unused, 0.0)
