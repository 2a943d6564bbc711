"""Run the tests: suites one after another, a line for each, all output of one that fails.

    python -m tests.run [--fast | --all]

Without an option: every test that needs no sandbox, and on the sandbox the core loop and what the
change touches. `--fast` leaves the sandbox out, `--all` leaves nothing out and ends with an error
when a test was unsteady. What was left to `--all` is listed; what this machine cannot run (no root,
not Linux) is said loudly, and with CI=true it is a failure.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field

from tests.paths import ROOT
from tests.runner import changes, scenarios
from tests.runner.execution import PYTEST, Report, Suite, beside, run


@dataclass(frozen=True)
class Optional:
    """A suite that runs if something below these paths was changed, after what it needs.

    `programs`: those it drives, with Debian's packages of them.
    """

    suite: Suite
    paths: tuple[str, ...]
    needs: tuple[Suite, ...]
    programs: dict[str, str] = field(default_factory=dict)


def tools(name: str, *groups: str) -> Suite:
    """Build what is missing of some tools."""
    return Suite(name, ("python3", "-m", "tools", "build", *groups), live=True)


def made(name: str, target: str) -> Suite:
    """What a target of make installs."""
    return Suite(name, ("make", "--no-print-directory", target))


# A file's tests stay together: they share what was started for them. A test that waits for a
# program leaves its processor to others, so there is one worker more than processors.
PARALLEL = (f"--numprocesses={(os.cpu_count() or 1) + 1}", "--dist=loadfile")
# Folders with a suite of their own.
FOLDERS_OF_OTHERS = ("chart", "argocd", "e2e", "fetch", "clients", "engines", "queues", "cache")
LINT = Suite("lint", ("make", "--no-print-directory", "lint"))
UNIT = Suite(
    "unit",
    (
        *(*PYTEST, "tests", *PARALLEL, "--durations=10"),
        *(f"--ignore=tests/{name}" for name in FOLDERS_OF_OTHERS),
    ),
)
# The service is complete under any server of WSGI, and the front answers as it does.
HTTP = ("tests/app/protocols", "tests/app/openapi", "tests/app/test_content_encoding.py")
SERVERS = tuple(
    Suite(f"HTTP by {server}", (*PYTEST, *HTTP, *PARALLEL, f"--http-server={server}"))
    for server in ("front", "gthread")
)
CHART = Suite("chart", (*PYTEST, "tests/chart", "tests/argocd", *PARALLEL))
SCANNER = made("chart scanner", "checkov")
AZURITE = made("azure emulator", "azurite")
DOWNLOADS = Suite("downloads", (*PYTEST, "tests/fetch"))
# What else needs the stores of the downloads to be tested.
DOWNLOAD_PATHS = (
    *("app/fetch/", "tests/fetch/", "app/model/bundle.py", "app/errors.py", "app/timestamps.py"),
    *("app/variables.py", "requirements/fetch.txt", "Dockerfile"),
    *("app/batch/", "modelctl/batch/", "requirements/batch.txt"),
)
# Other people's clients and engines, which come in packages larger than the service, and brokers.
CLIENTS = Optional(
    Suite("clients of others", (*PYTEST, "tests/clients")),
    paths=(
        *("app/front/", "app/protocols/", "app/grpc_routes.py", "app/routes.py"),
        *("tests/clients/", "requirements/kserve.txt", "tools/grpcurl/"),
    ),
    needs=(tools("tools of the clients", "clients"), made("KServe's SDK", "kserve")),
)
ENGINES = Optional(
    Suite("engines of others", (*PYTEST, "tests/engines")),
    paths=("app/batch/", "app/model/", "tests/engines/", "requirements/engines.txt"),
    needs=(made("Spark and Ray", "engines"),),
    programs={"java": "default-jre-headless"},
)
# Of the brokers one is Java and another Erlang.
QUEUES = Optional(
    Suite("queues", (*PYTEST, "tests/queues")),
    paths=(
        *("app/consume/", "app/model/bundle.py", "app/errors.py", "app/timestamps.py"),
        *(
            "app/variables.py",
            "app/redis_url.py",
            "app/tls.py",
            "tests/queues/",
            "requirements/consume.txt",
            "tools/nats-server/",
        ),
    ),
    needs=(tools("NATS", "queues"), made("Kafka", "kafka")),
    programs={
        "redis-server": "redis-server",
        "redis-cli": "redis-tools",
        "rabbitmq-server": "rabbitmq-server",
        "java": "default-jre-headless",
        "mvn": "maven",
    },
)
CACHE = Optional(
    Suite("cache", (*PYTEST, "tests/cache")),
    paths=(
        *("app/cache/", "app/redis_url.py", "app/tls.py", "app/service.py", "app/front/front.py"),
        *("tests/cache/", "tests/queues/brokers.py", "requirements/serve-cache.txt"),
    ),
    needs=(),
    programs={"redis-server": "redis-server", "redis-cli": "redis-tools"},
)
# Programs that tests drive, and Debian's packages of them: a browser for the page that tries a
# model, a gateway for deploy/compose, a registry to push the chart to, what a workflow calls.
DEBIAN = {
    "chromium": "chromium",
    "nginx": "nginx-light",
    "docker-registry": "docker-registry",
    "jq": "jq",
    "curl": "curl",
}
E2E = (*PYTEST, "tests/e2e", "-v", "--capture=no", "--tb=short", "--durations=10")
SESSION = (".venv/bin/python", "-m", "tests.e2e.session")
UP = Suite("sandbox up", (*SESSION, "up"), live=True)
DOWN = Suite("sandbox down", (*SESSION, "down"), live=True)


def prepare(report: Report) -> None:
    """Look at the code, and build what the suites without a cluster run."""
    install(report, "Debian packages", DEBIAN)
    run(report, LINT)
    run(report, tools("tools of the unit tests", "unit"))
    run(report, tools("tools of the chart", "chart"))
    run(report, SCANNER)


def install(report: Report, name: str, programs: dict[str, str]) -> None:
    """Install Debian's packages of the programs that are missing, where we may."""
    packages = [package for program, package in programs.items() if not is_installed(program)]
    if packages and not sandbox_missing():
        run(report, Suite(name, ("python3", "-m", "sandbox", "packages", *packages)))


def downloads(report: Report, changed: list[str] | None) -> list[str]:
    """Run what needs stores; returns what was left out by choice. None: leave nothing out."""
    if changed is not None and not any(name.startswith(DOWNLOAD_PATHS) for name in changed):
        return ["downloads (tests/fetch)"]
    run(report, tools("stores", "stores"))
    # Without npm the tests of downloads from Azure are skipped.
    if shutil.which("npm"):
        run(report, AZURITE)
    else:
        say("LEFT OUT: downloads from the emulator of Azure: it needs npm")
        if os.environ.get("CI") == "true":
            report.failed.append("azure emulator (left out)")
    run(report, DOWNLOADS)
    return [] if shutil.which("npm") else ["downloads from Azure (no npm)"]


def optional(report: Report, chosen: Optional, changed: list[str] | None) -> list[str]:
    """Run a suite if a change touches what it tests; returns what was left out by choice.

    A package that cannot be installed is not left out: the test that needs it says so and fails.
    """
    if changed is not None and not any(name.startswith(chosen.paths) for name in changed):
        return [f"{chosen.suite.name} ({chosen.suite.argv[-1]})"]
    install(report, f"Debian packages of {chosen.suite.name}", chosen.programs)
    for each in (*chosen.needs, chosen.suite):
        run(report, each)
    return []


def on_sandbox(report: Report, choice: scenarios.Choice, *others: Suite) -> None:
    """Run the chosen scenarios on one sandbox, which is left as it was found.

    `others` run beside them: most of the time a scenario waits.
    """
    run(report, tools("tools of the sandbox", "cluster", *choice.tools))
    chosen = (*E2E, f"--scenarios={','.join(choice.files)}")
    with tempfile.TemporaryDirectory(prefix="ml-model-tests-") as folder:
        os.environ["E2E_SANDBOX"] = f"{folder}/before.json"
        # Without a sandbox every test would only repeat why there is none.
        if run(report, UP):
            with beside(report, *others):
                for groups in scenarios.rounds(choice):
                    run(report, *(end_to_end(chosen, *group) for group in groups.items()))
        else:
            one_by_one(report, *others)
        run(report, DOWN)
    for groups in scenarios.rounds(choice, scenarios.AFTERWARDS):
        run(report, *(end_to_end(chosen, *group) for group in groups.items()))


def one_by_one(report: Report, *suites: Suite) -> None:
    """Run suites with all processors for each."""
    for suite in suites:
        run(report, suite)


def end_to_end(chosen: tuple[str, ...], group: str, title: str) -> Suite:
    """The chosen tests of one group; only one at a time prints as it goes."""
    return Suite(title, (*chosen, f"--group={group}"), live=group != scenarios.RELEASES)


def is_installed(program: str) -> bool:
    """Whether a program is there; Debian keeps some where only root looks."""
    return bool(shutil.which(program) or shutil.which(program, path="/usr/sbin"))


def sandbox_missing() -> str:
    """Why the sandbox cannot run here; empty when it can."""
    if platform.system() != "Linux":
        return f"it needs Linux, this is {platform.system()}"
    if os.geteuid() != 0:
        return "it needs root: `sudo make test`"
    return ""


def say(text: str) -> None:
    """Something that must not be overlooked."""
    print(f"\n*** {text} ***\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--fast", action="store_true")
    which.add_argument("--all", action="store_true", dest="everything")
    arguments = parser.parse_args()
    started = time.monotonic()
    report = Report()
    if arguments.everything:
        changed, choice = None, scenarios.everything()
        os.environ.setdefault("READ_REQUESTS", "200000")
        os.environ.setdefault("READ_FRAMES", "10000")
        os.environ.setdefault("CHART_TRIALS", "all")
    else:
        base, changed = changes.since_base(ROOT)
        choice = scenarios.choose(changed)
        print(f"{len(changed)} files differ from {base}", flush=True)
    # The sample models, which several processes need, are trained and packaged once.
    with tempfile.TemporaryDirectory(prefix="ml-model-tests-") as trained:
        os.environ["TRAINED_FOLDER"] = trained
        prepare(report)
        left = downloads(report, changed)
        for each in (CLIENTS, ENGINES, CACHE, QUEUES):
            left += optional(report, each, changed)
        others = (UNIT, *(SERVERS if changed is None else ()), CHART)
        missing = sandbox_missing()
        # The loop is short: beside it, most of them would still wait for their turn at its end.
        beside_it = others if arguments.everything else ()
        if arguments.fast or missing or not beside_it:
            one_by_one(report, *others)
        if not arguments.fast and not missing:
            on_sandbox(report, choice, *beside_it)
            left += choice.left
    for program in DEBIAN:
        if not is_installed(program):
            say(f"LEFT OUT: what needs {program}")
    if missing and not arguments.fast:
        say(f"LEFT OUT: the end-to-end tests on the sandbox: {missing}")
        if os.environ.get("CI") == "true":
            report.failed.append("end to end (left out)")
    if choice.no_time and not arguments.fast and not missing:
        say(f"touched by the change, and no time for them: {', '.join(choice.no_time)}")
    return summary(report, left, time.monotonic() - started, strict=arguments.everything)


def summary(report: Report, left: list[str], seconds: float, *, strict: bool) -> int:
    """Print seconds of each suite, what was left to `make test-all`, and the verdict."""
    print(f"\n{report.table()}")
    if left:
        print(f"left to `make test-all`: {', '.join(left)}")
    problems = list(report.failed)
    if report.unsteady:
        say(f"UNSTEADY: {', '.join(report.unsteady)}")
        problems += ["unsteady tests"] if strict else []
    verdict = f"FAILED: {', '.join(problems)}" if problems else "everything passed"
    print(f"{verdict} in {seconds / 60:.1f} min")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
