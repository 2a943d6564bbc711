"""What the tests of explanations share: a model that is packaged with them, and the formula.

`shapley` is Shapley's own, over all sets, and asks the user's fitted object; nothing here is ours.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import orjson
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from numpy.typing import NDArray

from modelctl.cli import cli
from modelctl.errors import ModelctlError
from modelctl.packaging import candidates
from tests.app.conftest import make_client

Ask = Callable[[pd.DataFrame], NDArray[np.float64]]


@dataclass(frozen=True)
class Explained:
    """A served model, its sample, and the rows of it that are its background."""

    client: Any
    features: pd.DataFrame
    background: pd.DataFrame
    bundle: Path

    def answer(self, row: Any, path: str = "/explain") -> dict[str, Any]:
        """The explained answer for one row."""
        response = self.client.post(path, json={"features": plain(row)})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.get_json()
        return found


def plain(row: Any) -> Any:
    """A row of the sample as JSON."""
    if isinstance(row, pd.Series):
        row = row.to_dict()
    if not isinstance(row, dict):
        return row
    return {
        name: None if pd.isna(value) else getattr(value, "item", lambda value=value: value)()
        for name, value in row.items()
    }


def package(
    folder: Path, model: Any, sample: pd.DataFrame, target: Any = "", **config: Any
) -> tuple[int, str]:
    """Run the command on what a user has; the bundle is `folder`/bundle. Exit code and output."""
    joblib.dump(model, folder / "model.joblib")
    sample.to_csv(folder / "sample.csv", index=False)
    whole = {"name": "case", "version": "1.0.0", "target": target, "explain": True} | config
    (folder / "model.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    arguments = ["package", str(folder), "--config", str(folder / "model.yaml")]
    with pytest.MonkeyPatch.context() as patch:
        # The gate has tests of its own: here fewer rows are enough.
        patch.setattr(candidates, "PERTURBED_ROWS", 200)
        patch.setattr(candidates, "MAX_NEIGHBOUR_ROWS", 500)
        result = CliRunner().invoke(cli, [*arguments, "--out", str(folder / "bundle")])
    # What the command line prints of an error, whose lines are broken there.
    refused = isinstance(result.exception, ModelctlError)
    return result.exit_code, str(result.exception) if refused else result.output


def serve(
    folder: Path, model: Any, sample: pd.DataFrame, target: Any = "", **config: Any
) -> Explained:
    """Package and serve a model of these columns, with explanations."""
    code, output = package(folder, model, sample, target, **config)
    assert code == 0, output
    targets = [target] if isinstance(target, str) else list(target)
    features = sample.drop(columns=[name for name in targets if name in sample.columns])
    columns = orjson.loads((folder / "bundle" / "background.json").read_bytes())["columns"]
    kinds = {name: features[name].dtype for name in features.columns if name in columns}
    background = pd.DataFrame(columns)[list(kinds)].astype(kinds)
    return Explained(make_client(folder / "bundle"), features, background, folder / "bundle")


def shapley(ask: Ask, row: pd.DataFrame, background: pd.DataFrame) -> NDArray[np.float64]:
    """Shapley's formula over every set of features, [features, outputs]; `row` has one row."""
    names = list(background.columns)
    worth = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for size in range(len(names) + 1):
            for chosen in itertools.combinations(names, size):
                mixed = background.copy()
                for name in chosen:
                    value = [row[name].iloc[0]] * len(mixed)
                    mixed[name] = pd.Series(value, index=mixed.index).astype(mixed[name].dtype)
                worth[frozenset(chosen)] = matrix(ask(mixed)).mean(axis=0)
    total = []
    for name in names:
        others = [other for other in names if other != name]
        share = np.zeros_like(worth[frozenset()])
        for size in range(len(names)):
            weight = 1 / (len(names) * math.comb(len(names) - 1, size))
            for chosen in itertools.combinations(others, size):
                added = worth[frozenset([*chosen, name])] - worth[frozenset(chosen)]
                share = share + weight * added
        total.append(share)
    return np.stack(total)


def matrix(answers: Any) -> NDArray[np.float64]:
    """Answers as [rows, outputs]."""
    array = np.asarray(answers, dtype=np.float64)
    return array.reshape(len(array), -1)


def contributions(answer: dict[str, Any]) -> NDArray[np.float64]:
    """Those of one answer, [features, outputs]."""
    return np.stack([flat(each) for each in answer["explanation"]["contributions"].values()])


def flat(form: Any) -> NDArray[np.float64]:
    """The numbers of one form: a number, a list, or either by target."""
    if isinstance(form, dict):
        return np.concatenate([flat(each) for each in form.values()])
    return np.atleast_1d(np.asarray(form, dtype=np.float64))


def assert_adds_up(answer: dict[str, Any]) -> None:
    """Base and contributions are the numbers of the answer."""
    explanation = answer["explanation"]
    total = flat(explanation["base"]) + contributions(answer).sum(axis=0)
    expected = flat(answer[explanation["of"]])
    np.testing.assert_allclose(total, expected, rtol=1e-9, atol=1e-9)
