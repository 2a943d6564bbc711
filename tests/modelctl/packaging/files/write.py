"""Write the pickles of older libraries in this folder, with one environment for each version:

    uv venv -p python3.11 /tmp/old && uv pip install -p /tmp/old/bin/python \
      scikit-learn==1.5.2 numpy==1.26.4 joblib pandas
    /tmp/old/bin/python tests/modelctl/packaging/files/write.py

Used: scikit-learn 1.1.3 with numpy 1.23.5, and 1.5.2 with 1.26.4.
"""

from pathlib import Path

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDER = Path(__file__).parent


def main() -> None:
    """A pipeline, and a compressed forest, of this environment's versions."""
    rows = np.random.default_rng(0).random((30, 3))
    labels = rows[:, 0] > rows[:, 1]
    version = sklearn.__version__
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    forest = RandomForestClassifier(2, max_depth=2, random_state=0).fit(rows, labels)
    joblib.dump(pipeline, FOLDER / f"pipeline-{version}.joblib")
    joblib.dump(forest, FOLDER / f"forest-{version}.joblib", compress=3)


if __name__ == "__main__":
    main()
