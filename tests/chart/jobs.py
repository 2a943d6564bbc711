"""What the tests of batches and of trainings share: both are Jobs with a page of values."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from tests import rendering


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
