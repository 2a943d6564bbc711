"""The rules for variants: which files there may be, and which versions may enter an environment.

A variant answers users, so its version passes the rules of a promotion: it ran in every previous
environment, for the soak time, and was verified there. Its share is decided by whoever owns the
environment, like a setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from modelctl.durations import span
from modelctl.errors import ModelctlError
from modelctl.promotion import rules
from modelctl.repository import variants

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from modelctl.repository.environments import Environment
    from modelctl.repository.variants import Content
    from modelctl.repository.versions import Version

WHOLE = 100


@dataclass(frozen=True)
class Past:
    """What is known of an image and a bundle in an environment that comes before.

    `ran` is how long they were there without interruption, at most; None if never. `version` is the
    version file that had them, and `passed` are its checks on record; both are empty for a variant.
    """

    environment: Environment
    ran: timedelta | None = None
    version: Version | None = None
    passed: tuple[str, ...] = ()


def folder_violations(folder: Path) -> Iterator[str]:
    """What is wrong with the variants in a model's folder as a whole, each named by its file."""
    model, here = folder.name, folder / variants.FOLDER
    for path in sorted(here.iterdir()):
        if not path.is_file() or path.suffix != ".yaml":
            yield f"{path}: unknown file; expected {variants.FOLDER}/NAME.yaml"
        elif problem := variants.name_violation(model, path.stem):
            yield f"{path}: {problem}; rename the file and its key"
    if not (folder / "version.yaml").is_file():
        yield (
            f"{here}: '{model}' is not released here, so nothing would render its variants; "
            "release it first, or remove them"
        )
    try:
        known = variants.read(folder)
    except ModelctlError:  # reported with the file
        return
    for violation in share_violations({name: each.share for name, each in known.items()}):
        yield f"{here}: {violation}"


def share_violations(shares: Mapping[str, int]) -> Iterator[str]:
    """Why the variants of a model cannot have these shares together."""
    sharing = {name: share for name, share in shares.items() if share}
    if sum(sharing.values()) > WHOLE:
        shown = ", ".join(f"{name} {share} %" for name, share in sharing.items())
        yield f"the shares exceed {WHOLE} %: {shown}; lower one of them"
    if len(sharing) > variants.MAX_SHARING:
        yield (
            f"{', '.join(sharing)} have a share: expected at most {variants.MAX_SHARING}, because "
            "the share of a third could not grow without moving users between the others"
        )


def entry_violations(
    model: str, environment: Environment, content: Content, pasts: Sequence[Past], now: datetime
) -> list[str]:
    """Why a version may not become a variant in an environment; `pasts` of those before it.

    Freezes are not asked here: they cover every file of a model.
    """
    found = rules.window_violations(model, environment, now)
    version, soak = content.model.version, timedelta(minutes=environment.soak_minutes)
    for past in pasts:
        name = past.environment.name
        if past.ran is None:
            found.append(
                f"{version} of '{model}' never ran in '{name}', which comes before "
                f"'{environment.name}'; release it there first, or as a variant: `modelctl variant "
                f"add {model} NAME --env {name}`"
            )
            continue
        if past.ran < soak:
            found.append(
                f"'{environment.name}' requires a soak time of {span(soak)} in '{name}': {version} "
                f"was there for {span(past.ran)}; try again in "
                f"{span(soak - past.ran + timedelta(seconds=59))}"
            )
        if past.environment.verification:
            if past.version is None:
                found.append(
                    f"{version} of '{model}' was a variant alone in '{name}', where `modelctl "
                    "verify-release` checks the release; promote it there first"
                )
            else:
                found += rules.verification_violations(
                    model, past.environment, past.version, past.passed
                )
    return found
