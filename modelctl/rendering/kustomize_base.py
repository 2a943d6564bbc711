"""Generate `kustomize/model/base`, the model for clusters without Helm.

    python -m modelctl.rendering.kustomize_base

Rendered from the chart, the single source. The release name `model`, the image `ml-model` and the
digest are placeholders: no bundle has that digest, so a pod starts only after an overlay sets image
and digest. `make generate` runs it; a test fails if a file is stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelctl.rendering import generated, render
from modelctl.repository.checkout import Repository

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
# Set by Helm only; Kustomize adds a hash of the settings to the ConfigMap's name instead. The
# version is the model's, which only an overlay knows.
DROPPED = (
    "helm.sh/chart",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "checksum/config",
)
HEAD = "# Generated from charts/ml-model by `make generate`; change it there, or in an overlay.\n"


def files(root: Path, helm: str) -> dict[Path, str]:
    """Every generated file with its expected content."""
    rendered = generated.render_chart(
        root, helm, release=RELEASE, namespace=NAMESPACE, values=VALUES, options=("--no-hooks",)
    )
    objects = [_without_helm(manifest) for manifest in rendered]
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
        folder / "kustomization.yaml": HEAD + generated.dump(kustomization),
        **{folder / name: HEAD + generated.dump(manifest) for name, manifest in names.items()},
    }


def _without_helm(node: Any) -> Any:
    """The object without Helm's labels and annotations, and without the namespace."""
    if isinstance(node, list):
        return [_without_helm(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_helm(value) for key, value in node.items() if key not in DROPPED}
    if kept.get("namespace") == NAMESPACE:
        del kept["namespace"]
    return kept


def main() -> None:
    """Write the files, and remove what the chart no longer renders."""
    root = Repository.find().root
    generated.replace_folder(root / BASE, files(root, render.find_helm(root)))


if __name__ == "__main__":
    main()
