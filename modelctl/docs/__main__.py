"""Write the files generated from the code and environments.yaml: `python -m modelctl.docs`.

`make generate` runs it; a test fails if a file is stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.docs import (
    cli_reference,
    environments_schema,
    experiment_schema,
    log_schema,
    manifest_schema,
)
from modelctl.docs import metrics_page as metrics
from modelctl.repository import codeowners, yamlfile
from modelctl.repository.checkout import Repository

if TYPE_CHECKING:
    from pathlib import Path


def files(repository: Repository) -> dict[Path, str]:
    """Every generated file with its expected content."""
    owners = repository.root / codeowners.FILE
    before = owners.read_text(encoding="utf-8") if owners.is_file() else ""
    return {
        repository.root / environments_schema.FILE: environments_schema.text(),
        repository.root / environments_schema.CHART_FILE: environments_schema.chart_text(),
        repository.root / experiment_schema.FILE: experiment_schema.text(),
        repository.root / manifest_schema.FILE: manifest_schema.text(),
        owners: codeowners.text(before, repository.environments),
        repository.root / cli_reference.FILE: cli_reference.text(),
        repository.root / log_schema.FILE: log_schema.text(),
        repository.root / log_schema.PAGE: log_schema.page(),
        repository.root / metrics.PAGE: metrics.page(),
    }


def main() -> None:
    """Write the files."""
    for path, text in files(Repository.find()).items():
        yamlfile.write(path, text)


if __name__ == "__main__":
    main()
