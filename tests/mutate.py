"""Break the code one line at a time and see whether the tests notice (`make mutate`).

    python -m tests.mutate [MODULE ...]

Prints every change that no test noticed, as file:line with the change, and fails if there is one.
The modules, their tests and the changes that change nothing are in tests/mutants.toml. Works in
build/mutation/, where a run that was stopped goes on, unless code or tests have changed since.
Changes of nothing but a message's wording are counted and not listed.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT

LIST = ROOT / "tests" / "mutants.toml"
WORK = ROOT / "build" / "mutation"
# What the tests of the modules below read beside the code itself.
BESIDE = ("benchmarks", "models", "tests")
SURVIVED = 0
LOG_TAIL = 5000
# pytest ends with 5 when it finds nothing to run, mutmut notes 33 when no test reaches a function.
NO_TESTS = (5, 33)
VERDICTS = ("killed", "survived", "equivalent", "wording", "untried")
TEXT = re.compile(r"""(["'])(?:\\.|(?!\1).)*\1""")


@dataclass(frozen=True)
class Equivalent:
    """A change that no test can notice; `why` is for people."""

    removed: str
    added: str
    why: str


@dataclass(frozen=True)
class Module:
    """What is broken, and the fast tests that concern it."""

    source: str
    tests: tuple[str, ...]
    # Which functions, by mutmut's names of them.
    only: str = "*"
    equivalent: tuple[Equivalent, ...] = ()


def load() -> dict[str, Module]:
    """The modules by name."""
    with LIST.open("rb") as stream:
        listed = tomllib.load(stream)
    return {
        name: Module(
            entry["source"],
            tuple(entry["tests"]),
            entry.get("only", "*"),
            tuple(Equivalent(*triple) for triple in entry.get("equivalent", ())),
        )
        for name, entry in listed.items()
    }


@dataclass(frozen=True)
class Mutant:
    """One change and what became of it; `code` is mutmut's, None before it was tried."""

    place: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    code: int | None

    def verdict(self, equivalent: tuple[Equivalent, ...]) -> str:
        """What became of it, in one word of VERDICTS."""
        if self.code is None:
            return "untried"
        if self.code not in (SURVIVED, *NO_TESTS):
            return "killed"
        removed, added = " ".join(self.removed), " ".join(self.added)
        if any(entry.removed == removed and entry.added == added for entry in equivalent):
            return "equivalent"
        return "wording" if _is_wording(removed, added) else "survived"


def _is_wording(removed: str, added: str) -> bool:
    """Whether nothing differs but a text with spaces, which is one that people read."""
    texts = [match[0] for match in TEXT.finditer(removed)]
    return TEXT.sub("''", removed) == TEXT.sub("''", added) and any(" " in text for text in texts)


def prepare(module: Module, folder: Path) -> None:
    """The folder in which mutmut works: our tree by links, and a configuration of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("app", "modelctl", *BESIDE):
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)
    with (ROOT / "pyproject.toml").open("rb") as stream:
        pytest = tomllib.load(stream)["tool"]["pytest"]["ini_options"]
    settings = {
        "source_paths": ["app", "modelctl"],
        "only_mutate": [module.source],
        "also_copy": list(BESIDE),
        "pytest_add_cli_args_test_selection": list(module.tests),
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-p", "no:xdist"],
        "use_git_change_detection": False,
        "track_dependencies": False,
        # The machine may be busy: a test that hangs is cut off all the same.
        "timeout_multiplier": 5.0,
        "timeout_constant": 5.0,
    }
    lines = ["[tool.pytest.ini_options]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in pytest.items()]
    lines += ["", "[tool.mutmut]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    text = "\n".join(lines) + "\n"
    text += f"# {_digest()}\n"
    path = folder / "pyproject.toml"
    if not path.exists() or path.read_text("utf-8") != text:
        # Verdicts on other code, or by other tests.
        shutil.rmtree(folder / "mutants", ignore_errors=True)
        path.write_text(text, "utf-8")


def _digest() -> str:
    """Of all code that a verdict may depend on, and of what is installed."""
    paths = [path for name in ("app", "modelctl", *BESIDE) for path in (ROOT / name).rglob("*.py")]
    contents = [path.read_bytes() for path in (*sorted(paths), ROOT / "requirements/dev.txt")]
    return hashlib.sha256(b"\0".join(contents)).hexdigest()


def run(module: Module, folder: Path) -> bool:
    """Try what has not been tried; False if mutmut could not. Progress on a terminal only."""
    environment = {
        **os.environ,
        # Workers are forks, and threads do not survive one.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        # Trained once for all workers, outside of what any of them would clean up.
        "TRAINED_FOLDER": str(WORK / "trained"),
    }
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(os.cpu_count() or 1)]
    command += [module.only] if module.only != "*" else []
    log = folder / "log"
    with log.open("wb") as stream:
        output = None if sys.stdout.isatty() else stream
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=output, check=False
        )
    if done.returncode:
        print(log.read_text("utf-8", errors="replace")[-LOG_TAIL:])
    return done.returncode == 0


def read(module: Module, folder: Path) -> list[Mutant]:
    """Every mutant of the module from mutmut's notes and from the functions it generated."""
    notes = json.loads((folder / "mutants" / f"{module.source}.meta").read_text("utf-8"))
    codes: dict[str, int | None] = notes["exit_code_by_key"]
    generated = (folder / "mutants" / module.source).read_text("utf-8").splitlines()
    functions = _functions(generated)
    source = (ROOT / module.source).read_text("utf-8").splitlines()
    found = []
    for key, code in codes.items():
        if fnmatch.fnmatchcase(key, module.only):
            name = key.rpartition(".")[2]
            original = functions[re.sub(r"__mutmut_\d+$", "__mutmut_orig", name)]
            found.append(_mutant(module.source, source, original, functions[name], code))
    return found


def _functions(lines: list[str]) -> dict[str, list[str]]:
    """The generated functions by name; their own name is taken out, it is no change."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    indent = 0
    for line in lines:
        generated = re.match(r"(\s*)(?:async )?def (\S+__mutmut_\w+)\(", line)
        if generated:
            indent, current = len(generated[1]), found.setdefault(generated[2], [])
        elif line.strip() and len(line) - len(line.lstrip()) <= indent and line.strip()[0] != ")":
            current = []
        text = line.split("# type: ignore # mutmut generated")[0].rstrip()
        current.append(re.sub(r"def \S+?__mutmut_\w+\(", "def (", text))
    for body in found.values():
        while body and not body[-1]:
            body.pop()
    return found


def _mutant(
    path: str, source: list[str], original: list[str], changed: list[str], code: int | None
) -> Mutant:
    removed, added, first = [], [], -1
    matcher = difflib.SequenceMatcher(None, original, changed, autojunk=False)
    for tag, low, high, new_low, new_high in matcher.get_opcodes():
        if tag != "equal":
            first = low if first < 0 else first
            removed += [line.strip() for line in original[low:high]]
            added += [line.strip() for line in changed[new_low:new_high]]
    place = f"{path}:{_line(source, original, first)}"
    return Mutant(place, tuple(removed), tuple(added), code)


def _line(source: list[str], original: list[str], first: int) -> int:
    """Where a line of a function is in the source: the function is found by its body."""
    body = original[1:]
    for at in range(len(source) - len(body) + 1):
        if source[at : at + len(body)] == body:
            return at + first
    return 0


def report(name: str, module: Module, mutants: list[Mutant]) -> Counter[str]:
    """Print what no test noticed, and how many became what."""
    verdicts = [mutant.verdict(module.equivalent) for mutant in mutants]
    for mutant, verdict in zip(mutants, verdicts, strict=True):
        if verdict == "survived":
            print(f"  {mutant.place}{' (no test reaches it)' * (mutant.code in NO_TESTS)}")
            print("".join(f"    - {line}\n" for line in mutant.removed), end="")
            print("".join(f"    + {line}\n" for line in mutant.added), end="")
    counted = Counter(verdicts)
    parts = [f"{counted[verdict]} {verdict}" for verdict in VERDICTS if counted[verdict]]
    print(f"{name}: {len(mutants)} mutants: {', '.join(parts)}", flush=True)
    return counted


def main() -> int:
    modules = load()
    parser = argparse.ArgumentParser(description=__doc__, usage="mutate.py [MODULE ...]")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(modules))
    parser.add_argument("--report", action="store_true", help="only print what is known")
    options = parser.parse_args()
    unknown = [name for name in options.modules if name not in modules]
    if unknown:
        parser.error(f"unknown module {unknown[0]!r}: expected one of {', '.join(modules)}")
    failed = []
    for name in options.modules or modules:
        module, folder = modules[name], WORK / name
        if not options.report:
            prepare(module, folder)
            if not run(module, folder):
                failed.append(f"{name} (mutmut could not run)")
                continue
        counted = report(name, module, read(module, folder))
        if counted["survived"] or counted["untried"]:
            failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
