"""The variants of a model in an environment: `variants/<name>.yaml`, a version and its share.

Reads only what an experiment has to know of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import strict_yaml

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "variants"


@dataclass(frozen=True)
class Variant:
    """Another version that serves beside the primary, and its percentage of the traffic."""

    name: str
    share: int
    version: str


def read(folder: Path) -> dict[str, Variant]:
    """The variants in the folder of a model, by name. Raises ModelctlError."""
    variants = {}
    for path in sorted((folder / FOLDER).glob("*.yaml")):
        document = strict_yaml.read(path)
        share = document.content.get("share", 0)
        if type(share) is not int or not 0 <= share <= 100:
            raise ModelctlError(
                f"{path}:{document.line_of(('share',))}: share: expected a percentage from 0 to 100"
            )
        model = document.content.get("model")
        version = str(model.get("version", "")) if isinstance(model, dict) else ""
        variants[path.stem] = Variant(path.stem, share, version)
    return variants
