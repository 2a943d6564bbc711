"""A kubectl that answers from a file: the stand-in for a cluster in tests of what we make of it.

The same questions are asked of a real one in tests/e2e.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """\
#!/bin/sh
printf '%s\\n' "$*" >> "$(dirname "$0")/asked"
case "$*" in
  *annotate*) ;;
  *applications.argoproj.io*) cat "$(dirname "$0")/applications.json" ;;
  *deployment*) cat "$(dirname "$0")/deployment.json" ;;
  *model/info*) cat "$(dirname "$0")/info.json" ;;
  *) echo "Error from server (NotFound)" >&2; exit 1 ;;
esac
"""


def application(
    name: str = "dev-iris", health: str = "Healthy", image: str = "", message: str = ""
) -> dict[str, Any]:
    """An Application as Argo CD reports it."""
    return {
        "metadata": {"name": name, "namespace": "argocd"},
        "status": {
            "health": {"status": health, "lastTransitionTime": "2026-01-01T00:00:00Z"},
            "sync": {"status": "Synced"},
            "summary": {"images": [image] if image else []},
            "conditions": [{"message": message}] if message else [],
        },
    }


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    applications: list[dict[str, Any]],
    *,
    rolled_out: str = "2026-01-01T00:00:00Z",
    digest: str = "",
    behind: bool = False,
) -> Path:
    """Put the stand-in on PATH; returns the file that lists what was asked.

    `behind`: nobody has looked at the Deployment since it was changed.
    """
    folder.mkdir()
    condition = {
        "type": "Progressing",
        "reason": "NewReplicaSetAvailable",
        "lastUpdateTime": rolled_out,
    }
    images = [image for item in applications for image in item["status"]["summary"]["images"]]
    pod = {"containers": [{"name": "model", "image": image} for image in images]}
    deployment = {
        "metadata": {"generation": 2},
        "spec": {"template": {"spec": pod}},
        "status": {
            "conditions": [condition],
            "observedGeneration": 1 if behind else 2,
            **dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), 1),
        },
    }
    answers = {
        "applications.json": {"items": applications},
        "deployment.json": deployment,
        "info.json": {"digest": digest, "version": "1.0.0"},
    }
    for name, content in answers.items():
        (folder / name).write_text(json.dumps(content))
    (folder / "kubectl").write_text(SCRIPT)
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "asked"
