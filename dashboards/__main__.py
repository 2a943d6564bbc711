"""Write deploy/grafana/*.json: `python -m dashboards`, a part of `make generate`."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards import drift, model, overview

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "grafana"


def files() -> dict[Path, str]:
    """Return the JSON of every dashboard by path."""
    documents = {"overview": overview.make(), "model": model.make(), "drift": drift.make()}
    return {
        FOLDER / f"{name}.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
