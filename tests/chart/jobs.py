"""What the tests of batches and of trainings share: both are Jobs with a page of values."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests import rendering
from tests.chart import least
from tests.chart.batches import Values

# The minutes since 1970 that a CronJob's controller adds to the names of its Jobs, until 2160.
MINUTES = "29876543"


def job(name: str, template: dict[str, Any]) -> rendering.Manifest:
    """The Job that a controller makes of a template."""
    metadata = {**template.get("metadata", {}), "name": name, "namespace": "ml-dev"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": template["spec"],
    }


def scheduled(cronjob: rendering.Manifest) -> rendering.Manifest:
    """The Job that the controller of a CronJob makes."""
    name = f"{cronjob['metadata']['name']}-{MINUTES}"
    return job(name, cronjob["spec"]["jobTemplate"])


def require_page(page: str, values: str) -> None:
    """A checked-in page of values is the one that they describe, and describes each of them."""
    result = rendering.run(
        *(rendering.tool("helm-docs"), "--chart-search-root", rendering.CHART),
        *("--sort-values-order", "file", "--values-file", values),
        *("--template-files", f"{page}.gotmpl", "--dry-run"),
    )
    assert result.code == 0, result.stderr
    checked_in = (rendering.CHART / page).read_text(encoding="utf-8")
    assert result.stdout.strip() == checked_in.strip(), "stale: run `make generate`"
    assert re.findall(r"^\| (\S+) \|[^\n]*\|\s+\|$", checked_in, flags=re.MULTILINE) == []


def require_keys(kind: str, defaults: dict[str, Any]) -> None:
    """An entry may have the keys of the file of its defaults, and no others."""
    schema = json.loads((rendering.CHART / "values.schema.json").read_text(encoding="utf-8"))
    entry = schema["properties"][kind]["additionalProperties"]["oneOf"][1]
    assert entry["properties"].keys() == defaults.keys()
    assert entry["additionalProperties"] is False


def without_rules(manifests: list[rendering.Manifest], group: str) -> list[rendering.Manifest]:
    """Without a group of alerts; those given stay as they are."""
    found = copy.deepcopy(manifests)
    for manifest in rendering.of_kind(found, "PrometheusRule"):
        groups = manifest["spec"]["groups"]
        manifest["spec"]["groups"] = [each for each in groups if each["name"] != group]
    return found


def require_nulls_leave_nothing(
    kind: str, right: Values, added: Values, nulls: Values, folder: Path
) -> None:
    """Of an entry, and of what an earlier file added to one."""
    files = []
    for number, entry in enumerate((right, added, nulls)):
        files.append(folder / f"{number}.yaml")
        files[-1].write_text(yaml.safe_dump({kind: {"one": entry}}), encoding="utf-8")

    def rendered(*used: Path) -> list[rendering.Manifest]:
        arguments = rendering.values(least.MINIMAL, *used)
        return rendering.template("helm4", rendering.CHART, "iris", "ml-dev", *arguments)

    assert rendered(*files[:2]) != rendered(files[0])
    assert rendered(*files) == rendered(files[0])
    none = folder / "none.yaml"
    none.write_text(f"{kind}: {{one: null}}\n", encoding="utf-8")
    assert rendered(files[0], none) == rendered()
