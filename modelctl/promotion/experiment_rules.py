"""The rules for `experiment.yaml`: its arms are the variants that really share the traffic.

For the rest it is a file like the settings: not promoted, covered by a freeze, reviewed by whoever
owns the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError
from modelctl.repository import strict_yaml, variants, yamlfile
from modelctl.repository.experiments import PRIMARY, Experiment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


def violations(root: Path, path: Path, now: datetime) -> Iterator[str]:
    """Why an experiment cannot be run as its file says, each with the line."""
    name = path.relative_to(root)
    try:
        document = strict_yaml.read(path)
        experiment = yamlfile.validate_strict(Experiment, path, document)
    except ModelctlError as error:
        yield str(error).replace(f"{root}/", "")
        return
    try:
        shares = {each.name: each.share for each in variants.read(path.parent).values()}
    except ModelctlError:  # reported with the file
        return
    # Afterwards the winner may have become the version, and the variants may be gone.
    if experiment.state(now) == "ended":
        return
    is_running = experiment.state(now) == "running"
    for arm, share in experiment.variants.items():
        where = f"{name}:{document.line_of(('arms', arm))}: arms.{arm}"
        if arm not in shares:
            known = ", ".join((PRIMARY, *sorted(shares)))
            yield f"{where}: unknown arm: expected one of {known}, as in {variants.FOLDER}/"
        elif is_running and shares[arm] != share:
            yield (
                f"{where}: the share is {shares[arm]} in {variants.FOLDER}/{arm}.yaml: expected "
                f"{share} from `start` to `end`; other shares compare other units"
            )
    others = sorted(arm for arm in shares.keys() - experiment.variants.keys() if shares[arm])
    if is_running and others:
        line = document.line_of(("arms",))
        yield (
            f"{name}:{line}: arms: {', '.join(others)} has a share of the traffic too; end the "
            f"experiment first, or set `share: 0` in {variants.FOLDER}/"
        )
