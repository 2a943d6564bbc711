"""Write `deploy/compose/prometheus/rules`: the chart's alert rules for models without Kubernetes.

    python -m modelctl.rendering.rule_files

Rendered from the chart, so no rule is written twice; those on what Kubernetes and Argo CD tell are
left out. `make generate` runs it; a test fails when a file is stale.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from modelctl import proc
from modelctl.rendering import render
from modelctl.repository import yamlfile
from modelctl.repository.environments import CHART, Repository

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
    # Where a clone of the repository has them; a fork puts its own address here.
    "metrics.rules.runbookUrl=file:///docs/runbooks",
)
HEAD = "# Generated from charts/ml-model/files/rules.yaml by `make generate`; change it there.\n"


def files(root: Path, helm: str) -> dict[Path, str]:
    """Every generated file with the text it should have."""
    return {root / FOLDER / f"{model}.yaml": HEAD + _text(root, helm, model) for model in MODELS}


def _text(root: Path, helm: str, model: str) -> str:
    output = proc.run(
        [
            *(helm, "template", model, str(root / CHART), "--namespace", NAMESPACE),
            *("--kube-version", render.KUBE_VERSION),
            *("--show-only", "templates/prometheusrule.yaml"),
            *(part for value in VALUES for part in ("--set", value)),
        ]
    )
    (manifest,) = render.parse(output)
    # In one Prometheus the names of groups are told apart by the file; people want to read them.
    groups = [
        {**group, "name": f"{model}: {group['name']}"} for group in manifest["spec"]["groups"]
    ]
    stream = io.StringIO()
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 100
    yaml.dump({"groups": groups}, stream)
    return stream.getvalue()


def main() -> None:
    """Write them, and remove those of models that are gone."""
    root = Repository.find().root
    wanted = files(root, render.find_helm(root))
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    for path in set((root / FOLDER).glob("*")) - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        yamlfile.write(path, text)


if __name__ == "__main__":
    main()
