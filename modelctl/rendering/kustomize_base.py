"""Write `kustomize/model/base`, the model for clusters without Helm.

    python -m modelctl.rendering.kustomize_base

Rendered from the chart, so nothing is described twice. Fixed on purpose: the release is called
`model`, its image `ml-model`, and no bundle has its digest, so a pod starts only after an overlay
has named an image and a digest. `make generate` runs it; a test fails when a file is stale.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from modelctl import proc
from modelctl.rendering import render
from modelctl.repository import yamlfile
from modelctl.repository.environments import CHART, Repository

if TYPE_CHECKING:
    from pathlib import Path

BASE = "kustomize/model/base"
RELEASE, NAMESPACE, IMAGE = "model", "models", "ml-model"
NO_DIGEST = "sha256:" + "0" * 64
VALUES = (
    f"image.repository={IMAGE}",
    "image.tag=unset",
    f"model.digest={NO_DIGEST}",
)
# Helm's own; kustomize puts a hash of the settings into the ConfigMap's name instead. The version
# is the model's, which only an overlay knows.
DROPPED = (
    "helm.sh/chart",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "checksum/config",
)
HEAD = "# Generated from charts/ml-model by `make generate`; change it there, or in an overlay.\n"


def files(root: Path, helm: str) -> dict[Path, str]:
    """Every generated file with the text it should have."""
    text = proc.run(
        [
            *(helm, "template", RELEASE, str(root / CHART), "--no-hooks"),
            *("--namespace", NAMESPACE, "--kube-version", render.KUBE_VERSION),
            *(part for value in VALUES for part in ("--set", value)),
        ]
    )
    objects = [_without_helm(manifest) for manifest in render.parse(text)]
    settings = next(item for item in objects if item["kind"] == "ConfigMap")
    rest = [item for item in objects if item is not settings]
    names = {f"{manifest['kind'].lower()}.yaml": manifest for manifest in rest}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(names),
        "configMapGenerator": [{"name": settings["metadata"]["name"], "envs": ["settings.env"]}],
    }
    folder = root / BASE
    pairs = sorted(settings["data"].items())
    return {
        folder / "settings.env": HEAD + "".join(f"{key}={value}\n" for key, value in pairs),
        folder / "kustomization.yaml": HEAD + _dump(kustomization),
        **{folder / name: HEAD + _dump(manifest) for name, manifest in names.items()},
    }


def _without_helm(node: Any) -> Any:
    """The same object without Helm's marks and without the namespace, which an overlay names."""
    if isinstance(node, list):
        return [_without_helm(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_helm(value) for key, value in node.items() if key not in DROPPED}
    if kept.get("namespace") == NAMESPACE:
        del kept["namespace"]
    return kept


def _dump(content: Any) -> str:
    stream = io.StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    yaml.dump(content, stream)
    return stream.getvalue()


def main() -> None:
    """Write them, and remove what the chart no longer renders."""
    root = Repository.find().root
    wanted = files(root, render.find_helm(root))
    for path in set((root / BASE).glob("*")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        yamlfile.write(path, text)


if __name__ == "__main__":
    main()
