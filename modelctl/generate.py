"""Write what is made from the code and from environments.yaml: `python -m modelctl.generate`.

`make generate` runs it; a test fails when a file is stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import logschema
from app.metrics import page as metrics
from modelctl import clireference, codeowners, schema, yamlfile
from modelctl.environments import Repository

if TYPE_CHECKING:
    from pathlib import Path


def files(repository: Repository) -> dict[Path, str]:
    """Every generated file with the text it should have."""
    owners = repository.root / codeowners.FILE
    before = owners.read_text(encoding="utf-8") if owners.is_file() else ""
    return {
        repository.root / schema.FILE: schema.text(),
        owners: codeowners.text(before, repository.environments),
        repository.root / clireference.FILE: clireference.text(),
        repository.root / logschema.FILE: logschema.text(),
        repository.root / logschema.PAGE: logschema.page(),
        repository.root / metrics.PAGE: metrics.page(),
    }


def main() -> None:
    """Write them."""
    for path, text in files(Repository.find()).items():
        yamlfile.write(path, text)


if __name__ == "__main__":
    main()
