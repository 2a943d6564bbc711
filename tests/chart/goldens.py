"""Write what each example of the chart renders, and the page of recipes; tests compare both.

    .venv/bin/python -m tests.chart.goldens

An example is `charts/ml-model/ci/<name>-values.yaml`: its first comment line is the title of the
recipe, the comment lines after it the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests import rendering
from tests.paths import ROOT

GOLDEN = rendering.CHART / "golden"
PAGE = ROOT / "docs" / "how-to" / "chart-recipes.md"
INTRODUCTION = """\
# Recipes for the chart

Each recipe is an example file of the chart, `charts/ml-model/ci/<name>-values.yaml`, which is
rendered, validated and compared with `charts/ml-model/golden/<name>.yaml` in every test run. This
page is generated from those files by `make generate`. All values: [the chart's
README](../../charts/ml-model/README.md).
"""


@dataclass(frozen=True)
class Example:
    """One example file, taken apart."""

    name: str
    title: str
    text: str
    values: str

    @classmethod
    def read(cls, path: Path) -> Example:
        """Split a file into its leading comment (title, text) and its values."""
        content = path.read_text(encoding="utf-8")
        head = re.match(r"(?:#.*\n)+", content)
        comment = head[0] if head else ""
        title, _, text = re.sub(r"^# ?", "", comment, flags=re.MULTILINE).partition("\n")
        name = path.name.removesuffix("-values.yaml")
        return cls(name, title, text.strip(), content.removeprefix(comment))

    @property
    def file(self) -> Path:
        """Where it stands."""
        return rendering.CHART / "ci" / f"{self.name}-values.yaml"

    @property
    def golden(self) -> Path:
        """Where its rendered form stands."""
        return GOLDEN / f"{self.name}.yaml"


def examples() -> list[Example]:
    """All examples, the least one first."""
    found = [Example.read(path) for path in (rendering.CHART / "ci").glob("*-values.yaml")]
    return sorted(found, key=lambda example: (example.name != "minimal", example.title))


def render(example: Example, helm: str = "helm4") -> str:
    """What an example renders, as text."""
    result = rendering.try_template(
        helm, rendering.CHART, "iris", "ml-dev", *rendering.values(example.file)
    )
    assert result.code == 0, result.stderr
    return result.stdout


def page() -> str:
    """The page of recipes."""
    recipes = [
        f"\n## {example.title}\n\n{example.text}\n\n"
        f"[`{example.name}-values.yaml`](../../charts/ml-model/ci/{example.name}-values.yaml)\n\n"
        f"```yaml\n{example.values.strip()}\n```\n"
        for example in examples()
    ]
    return INTRODUCTION + "".join(recipes)


def main() -> None:
    """Write the page and every golden, and remove goldens of examples that are gone."""
    GOLDEN.mkdir(exist_ok=True)
    wanted = {example.golden: render(example) for example in examples()}
    for stale in set(GOLDEN.iterdir()) - set(wanted):
        stale.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
