"""What the commands are given -> a plan, its folder and its bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.batch.folders import LocalFolder
from app.batch.inputs import is_url, open_folder
from app.batch.listing import relative
from app.batch.plan import PLAN, load
from modelctl.batch.refusals import translated
from modelctl.errors import ModelctlError, UsageError

if TYPE_CHECKING:
    from app.batch.folders import Folder
    from app.batch.plan import Plan


def folder(where: str) -> Folder:
    """The folder or URL of a run. Raises ModelctlError."""
    with translated():
        return open_folder(where)


def read(where: str) -> tuple[Plan, Folder]:
    """A plan and its folder, from plan.json or its folder, or their URL. Raises ModelctlError."""
    name = where.removesuffix(f"/{PLAN}") if is_url(where) else _folder_of(Path(where))
    out = folder(name)
    with translated():
        return load(out), out


def _folder_of(path: Path) -> str:
    if not path.exists():
        raise ModelctlError(
            f"{path} does not exist", expected=f"{PLAN}, its folder, or the URL of its folder"
        )
    return str(path if path.is_dir() else path.parent)


def bundle_path(bundle: Path, out: Folder) -> str:
    """A bundle as a plan names it: in a store, a path of this machine says nothing."""
    return relative(bundle.resolve(), out.path) if isinstance(out, LocalFolder) else ""


def bundle_of(plan: Plan, out: Folder, given: Path | None) -> Path:
    """Where the bundle of a plan is. Raises UsageError if neither says it."""
    if given is not None:
        return given
    if not plan.bundle.path or not isinstance(out, LocalFolder):
        raise UsageError(
            f"{out.where(PLAN)} does not say where the bundle is",
            expected=f"the bundle {plan.bundle.name} {plan.bundle.version}",
            found="no --bundle",
            fix="name it with --bundle",
        )
    return out.path / plan.bundle.path
