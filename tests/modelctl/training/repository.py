"""A repository with one small model, whose training does what a request says."""

from __future__ import annotations

from pathlib import Path

from tests.modelctl.conftest import ENVIRONMENTS

TRAIN = '''\
"""Train on rows of which a request may move one column."""
import argparse, json, os, time
from pathlib import Path
import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--out", type=Path)
out = parser.parse_args().out
asked = json.loads(os.environ.get("TRAINING_REQUEST", "{}"))
if "started" in asked:
    with open(asked["started"], "a") as file:
        file.write("x")
while "wait" in asked and not Path(asked["wait"]).exists():
    time.sleep(0.05)
if asked.get("crash"):
    raise SystemExit("no data today")
rows = pd.DataFrame({"a": [i + asked.get("move", 0.0) for i in range(20)], "b": range(20, 0, -1)})
rows["kind"] = ["low"] * 10 + ["high"] * 10
model = LogisticRegression().fit(rows[["a", "b"]], rows["kind"])
out.mkdir(parents=True)
joblib.dump(model, out / "model.joblib")
rows.to_csv(out / "sample.csv", index=False)
(out / "evaluation.json").write_text(json.dumps({"accuracy": asked.get("accuracy", 0.95)}))
'''
FILES = {
    "environments/environments.yaml": ENVIRONMENTS,
    "models/tiny/train.py": TRAIN,
    "models/tiny/model.yaml": "name: tiny\nversion: 1.0.0\ntarget: kind\n",
    "models/tiny/baseline.yaml": (
        "metrics:\n  accuracy:\n    value: 0.95\n    better: higher\n    tolerance: 0.01\n"
    ),
    "models/tiny/data.yaml": (
        "rows:\n  min: 20\ncolumns:\n"
        "  a:\n    kind: number\n    min: 0\n    max: 100\n"
        "  b:\n    kind: number\n    min: 0\n    max: 20\n"
        "  kind:\n    kind: text\n    values:\n      - low\n      - high\n"
    ),
}


def make(folder: Path) -> Path:
    """The repository, which is no checkout: as in the image of the trainer."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
