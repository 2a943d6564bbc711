"""Writes the settings with which MLServer's own scikit-learn runtime serves a joblib file."""

import json
import os
import sys
from pathlib import Path

folder, model, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)
(folder / "settings.json").write_text(
    json.dumps(
        {
            "host": "127.0.0.1",
            "http_port": port,
            "grpc_port": port + 1,
            "metrics_port": port + 2,
            "debug": False,
        }
    )
)
(folder / "model-settings.json").write_text(
    json.dumps(
        {
            "name": "model",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": model},
        }
    )
)
os.execvp(  # noqa: S606
    Path(sys.executable).with_name("mlserver"), ["mlserver", "start", str(folder)]
)
