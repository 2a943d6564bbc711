"""The user's own modules that a pickle needs: find them, and pack them into the bundle.

A pickle names modules and does not contain them. Those from a file beside the model travel in the
bundle (`code/`), under its digest, and the sklearn engine imports them from there; libraries have
to be in the image. Knows modules that are already imported, since the estimator is loaded.
"""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
import sysconfig
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

from app.model.sklearn_engine import CODE
from modelctl.errors import ModelctlError
from modelctl.packaging.load_errors import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROOF_SECONDS = 300
MAX_TEXT = 600
# As the service loads it, without the folders that were on the path here.
PROOF = """
import sys
sys.path[:] = [path for path in sys.path if path and path not in sys.argv[3:]] + [sys.argv[2]]
from pathlib import Path
from app.model import engine
from app.model.bundle import verify
from app.model.contract import Contract
sys.path.remove(sys.argv[2])
bundle = verify(Path(sys.argv[1]))
contract = Contract.from_manifest(bundle.manifest)
engine.self_test(bundle, contract, engine.load(bundle, contract))
"""


def look_in(folder: Path) -> None:
    """Let a pickle find the modules of a folder; those that are installed come first."""
    path = str(folder.resolve())
    if path not in sys.path:
        sys.path.append(path)


def files_of(modules: Iterable[str]) -> dict[str, Path]:
    """The user's own files behind these modules, by their path below the folder they lie in.

    With the modules beside them that they import.
    """
    files: dict[str, Path] = {}
    pending = [(name, root) for name in modules if (root := _root(name)) is not None]
    while pending:
        name, root = pending.pop()
        for found in _with_parents(name, root):
            inside = found.relative_to(root).as_posix()
            if inside not in files:
                files[inside] = found
                pending += [(other, root) for other in _imported(found, name)]
    return dict(sorted(files.items()))


def libraries_of(modules: Iterable[str]) -> list[str]:
    """The modules that come from no own file, as requirements: `name==version` where installed."""
    roots = sorted({name.partition(".")[0] for name in modules if _root(name) is None})
    owners = packages_distributions()
    found = [(root, owners.get(root, [])) for root in roots if root not in OURS]
    return [f"{names[0]}=={version(names[0])}" if names else root for root, names in found]


def ensure_loads(bundle: Path) -> None:
    """Raise ModelctlError unless the bundle predicts its sample without the modules here."""
    home = Path(__file__).parents[2]
    own = [path for path in sys.path if path and not is_installed(Path(path))]
    argv = [sys.executable, "-c", PROOF, str(bundle), str(home), *own, str(home)]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        cwd=bundle,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        timeout=PROOF_SECONDS,
    )
    if done.returncode == 0:
        return
    lines = done.stderr.strip().splitlines()
    raise ModelctlError(
        "the bundle does not load without the files of this machine",
        expected="the model's own modules, and what they import, as Python files in one folder",
        found=(lines[-1] if lines else f"exit code {done.returncode}")[:MAX_TEXT],
        fix="import at the top of each module what it needs, and keep values in the fitted object "
        "instead of files beside the code",
    )


def _root(name: str) -> Path | None:
    """The folder on the path that an own module is imported from; None for any other module."""
    if name.partition(".")[0] in OURS:
        return None
    try:
        module = sys.modules.get(name) or importlib.import_module(name)
    except Exception:  # importing runs the module's own code
        return None
    origin = getattr(module, "__file__", None)
    if origin is None or not origin.endswith(".py") or name == "__main__":
        return None
    path = Path(origin).resolve()
    depth = name.count(".") + (path.name == "__init__.py")
    root = path.parents[depth]
    return None if is_installed(path) else root


def is_installed(path: Path) -> bool:
    """Whether it belongs to Python or to an installed library."""
    places = (sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib"))
    parts = {"site-packages", "dist-packages"}.intersection(path.parts)
    return bool(parts) or any(path.is_relative_to(Path(place).resolve()) for place in places)


def _with_parents(name: str, root: Path) -> Iterator[Path]:
    """The files that importing a module runs: its own, and those of the packages around it."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        folder = root.joinpath(*parts[:depth])
        candidates = [folder / "__init__.py"]
        if depth == len(parts):
            candidates.append(folder.with_name(f"{folder.name}.py"))
        yield from (path for path in candidates if path.is_file())


def _imported(path: Path, name: str) -> Iterator[str]:
    """The names that a file may import as modules; most of them are not beside it."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    try:
        nodes = ast.walk(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError):
        # A file that nothing imports, or not by this Python.
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                around = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*around, *filter(None, [node.module])])
            yield from filter(None, [base])
            yield from (f"{base}.{alias.name}" for alias in node.names if base)


def packed(modules: Iterable[str]) -> dict[str, bytes]:
    """The files of the bundle that hold the user's own modules."""
    return {f"{CODE}/{name}": path.read_bytes() for name, path in files_of(modules).items()}
