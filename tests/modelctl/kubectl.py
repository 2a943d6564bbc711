"""A kubectl that answers from files: the stand-in for a cluster in tests of what we make of it.

It knows the paths of the API and the selectors that we use, and refuses everything else. The same
questions are asked of a real one in tests/e2e.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """\
import json, pathlib, re, sys, urllib.parse

folder = pathlib.Path(__file__).parent
words = sys.argv[1:]
with (folder / "asked").open("a") as asked:
    print(*words, file=asked)


def refuse(reason):
    sys.exit(f"Error from server ({reason})")


def read(name):
    file = folder / f"{name}.json"
    content = json.loads(file.read_text()) if file.exists() else {"refused": "NotFound"}
    return refuse(content["refused"]) if "refused" in content else content


def selected(items, selector):
    if "=" in selector:
        name, _, value = selector.partition("=")
        return [i for i in items if i["metadata"].get("labels", {}).get(name) == value]
    name, _, values = selector.partition(" in ")
    values = values.strip("()").split(",") if values else None
    labels = [(i, i["metadata"].get("labels", {}).get(name)) for i in items]
    return [i for i, label in labels if label and (values is None or label in values)]


if "annotate" in words:
    sys.exit()
if "--raw" in words:
    url = urllib.parse.urlsplit(words[words.index("--raw") + 1])
    query = dict(urllib.parse.parse_qsl(url.query))
    path = url.path
else:  # kubectl get applications.argoproj.io --field-selector=metadata.name=...
    path = next((w for w in words if w.endswith("argoproj.io")), "")
    name = next((w.rpartition("=")[2] for w in words if "metadata.name=" in w), "")
    items = [i for i in read("applications")["items"] if not name or i["metadata"]["name"] == name]
    print(json.dumps({"items": items}))
    sys.exit()
if path == "/apis/argoproj.io/v1alpha1/applications":
    items = read("applications")["items"]
elif match := re.fullmatch(
    r"/apis/(?:apps/v1|argoproj.io/v1alpha1)/namespaces/([^/]+)/(deployments|rollouts)", path
):
    items = [i for i in read(match[2])["items"] if i["metadata"]["namespace"] == match[1]]
    items = selected(items, query["labelSelector"])
elif match := re.fullmatch(
    r"/apis/argoproj.io/v1alpha1/namespaces/([^/]+)/analysisruns", path
):
    items = [i for i in read("analysisruns")["items"] if i["metadata"]["namespace"] == match[1]]
elif match := re.fullmatch(r"/api/v1/namespaces/([^/]+)/pods", path):
    items = [i for i in read("pods")["items"] if i["metadata"]["namespace"] == match[1]]
    items = selected(items, query["labelSelector"])
elif path.endswith("/configmaps/argocd-cm"):
    print(json.dumps(read("argocd-cm")))
    sys.exit()
elif path.endswith("/proxy/model/info"):
    print(json.dumps(read("info")))
    sys.exit()
else:
    refuse("NotFound")
limit, start = int(query["limit"]), int(query.get("continue", 0))
more = str(start + limit) if start + limit < len(items) else ""
print(json.dumps({"metadata": {"continue": more}, "items": items[start : start + limit]}))
"""
MODEL_LABEL = "app.kubernetes.io/instance"


def application(
    name: str = "dev-iris",
    health: str = "Healthy",
    image: str = "",
    message: str = "",
    *,
    sync: str = "Synced",
    revision: str = "",
    looked: timedelta = timedelta(seconds=5),
) -> dict[str, Any]:
    """An Application as our ApplicationSet makes it and Argo CD reports it.

    `revision` is the commit that it was compared with, `looked` ago.
    """
    source = {"repoURL": "https://git.example/models", "targetRevision": "HEAD", "path": "charts"}
    destination = {"name": "in-cluster", "namespace": f"ml-{name.partition('-')[0]}"}
    looked_at = datetime.now(UTC).replace(microsecond=0) - looked
    return {
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "models",
            "source": source,
            "destination": destination,
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
        "status": {
            "health": {"status": health, "lastTransitionTime": "2026-01-01T00:00:00Z"},
            "sync": {
                "status": sync,
                "revision": revision,
                "comparedTo": {"source": source, "destination": destination},
            },
            "reconciledAt": looked_at.isoformat().replace("+00:00", "Z"),
            "summary": {"images": [image] if image else []},
            "conditions": [{"type": "ComparisonError", "message": message}] if message else [],
        },
    }


def deployment(
    name: str = "dev-iris",
    *,
    image: str = "registry.example/iris:1.0.0",
    digest: str = "",
    rolled_out: str = "2026-01-01T00:00:00Z",
    **status: Any,
) -> dict[str, Any]:
    """The Deployment of an Application, with two pods; `status` overrides its status."""
    environment, _, model = name.partition("-")
    condition = {
        "type": "Progressing",
        "status": "True",
        "reason": "NewReplicaSetAvailable",
        "lastUpdateTime": rolled_out,
    }
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), 2)
    container = {
        "name": "model",
        "image": image,
        "env": [
            {"name": "MODEL_DIR", "value": "/model"},
            {"name": "MODEL_DIGEST", "value": digest},
        ],
    }
    namespace = f"ml-{environment}"
    return {
        "metadata": {
            "name": model,
            "namespace": namespace,
            "generation": 2,
            "labels": {MODEL_LABEL: model},
            "annotations": {
                "argocd.argoproj.io/tracking-id": f"{name}:apps/Deployment:{namespace}/{model}"
            },
        },
        "spec": {
            "replicas": 2,
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/version": "1.0.0"}},
                "spec": {"containers": [container]},
            },
        },
        "status": {"conditions": [condition], "observedGeneration": 2, **counts, **status},
    }


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    applications: list[dict[str, Any]],
    *,
    rolled_out: str = "2026-01-01T00:00:00Z",
    digest: str = "",
    behind: bool = False,
    deployments: list[dict[str, Any]] | None = None,
) -> Path:
    """Put the stand-in on PATH; returns the file that lists what was asked.

    Each Application has a Deployment with its image and the bundle `digest`, unless `deployments`
    are given. `behind`: nobody has looked at the Deployments since they were changed.
    """
    folder.mkdir()
    if deployments is None:
        deployments = [
            deployment(
                item["metadata"]["name"],
                image=next(iter(item["status"]["summary"]["images"]), "registry.example/iris"),
                digest=digest,
                rolled_out=rolled_out,
                observedGeneration=1 if behind else 2,
            )
            for item in applications
        ]
    answer(folder, "applications", {"items": applications})
    answer(folder, "deployments", {"items": deployments})
    answer(folder, "pods", {"items": []})
    answer(folder, "info", {"digest": digest, "version": "1.0.0"})
    (folder / "kubectl").write_text(f"#!{sys.executable}\n{SCRIPT}")
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "asked"


def refuse(folder: Path, name: str, reason: str) -> None:
    """Refuse a kind from now on, as the API server would."""
    answer(folder, name, {"refused": reason})


def answer(folder: Path, name: str, content: Any) -> None:
    """Let it answer with other objects from now on."""
    # At once: a stub that runs meanwhile reads the old objects or the new ones. By a name of its
    # own, because several threads may write the same answer.
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as written:
        json.dump(content, written)
    Path(written.name).replace(folder / f"{name}.json")
