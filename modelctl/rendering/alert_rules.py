"""Generate `deploy/compose/prometheus/rules`: the chart's alert rules without Kubernetes.

    python -m modelctl.rendering.alert_rules

Rendered from the chart, the single source; rules on metrics of Kubernetes and Argo CD are left out.
`make generate` runs it; a test fails if a file is stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.rendering import generated, render
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "deploy/compose/prometheus/rules"
NAMESPACE, MODELS = "compose", ("iris", "penguins")
VALUES = (
    "image.repository=ml-model",
    "image.tag=unset",
    "metrics.rules.enabled=true",
    "metrics.rules.kubernetes=false",
    "metrics.rules.argocd=false",
    # Relative to a clone of the repository; a fork sets its own URL here.
    "metrics.rules.runbookUrl=file:///docs/runbooks",
)
HEAD = "# Generated from charts/ml-model/files/rules.yaml by `make generate`; change it there.\n"


def files(root: Path, helm: str) -> dict[Path, str]:
    """Every generated file with its expected content."""
    return {root / FOLDER / f"{model}.yaml": HEAD + _text(root, helm, model) for model in MODELS}


def _text(root: Path, helm: str, model: str) -> str:
    only_rules = ("--show-only", "templates/prometheusrule.yaml")
    (manifest,) = generated.render_chart(
        root, helm, release=model, namespace=NAMESPACE, values=VALUES, options=only_rules
    )
    # Prometheus distinguishes equal group names by their file; people read only the name.
    groups = [
        {**group, "name": f"{model}: {group['name']}"} for group in manifest["spec"]["groups"]
    ]
    return generated.dump({"groups": groups})


def main() -> None:
    """Write the files, and remove those of models that no longer exist."""
    root = Repository.find().root
    generated.replace_folder(root / FOLDER, files(root, render.find_helm(root)))


if __name__ == "__main__":
    main()
