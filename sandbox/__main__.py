"""`python3 -m sandbox`: the commands, what they print, and the one error exit.

`preflight` and `packages` run on a bare system Python, so everything else is imported late.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sandbox.errors import REFUSED, SandboxError
from sandbox.layout import find_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 1 a SandboxError or an unhealthy status, 130 Ctrl-C.

    3 is a refusal of modelctl, which says why itself.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # What follows these two belongs to another program, to the last `--`.
    passed_on = words[1:] if words[:1] in (["kubectl"], ["exec"]) else []
    arguments = parser().parse_args(words[:1] if passed_on else words)
    arguments.words = passed_on
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except SandboxError as error:
        print(error.said if error.refused else error, file=sys.stderr)
        return REFUSED if error.refused else 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog="python3 -m sandbox",
        description="A real Kubernetes node with a real Argo CD on this machine.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("preflight", _preflight, "tell whether this machine can run the sandbox, else why not"),
        ("packages", _packages, "install the Debian packages that are missing"),
        ("up", _up, "bring everything up, or up to date"),
        ("down", _down, "remove every process, mount, interface and namespace"),
        ("status", _status, "show every component; exit code 1 when one is not ready"),
        ("observe", _observe, "start Prometheus beside a running sandbox and say where it is"),
        ("logs", _logs, "show a component's log"),
        ("pipeline", _pipeline, "take a model from its commit to every environment"),
        ("test-image", _test_image, "build a model's image and run it as a pod runs it"),
        ("kubectl", _kubectl, "run kubectl as administrator"),
        ("exec", _exec, "run a command inside the network namespace: exec -- CMD"),
    ):
        entry = commands.add_parser(name, help=text, description=text)
        entry.set_defaults(command=command)
        if command in (_pipeline, _test_image):
            entry.add_argument("model", metavar="MODEL")
        if command is _packages:
            entry.add_argument("names", metavar="NAME", nargs="*", help="none: the sandbox's own")
        if command is _logs:
            entry.add_argument("name", metavar="NAME", nargs="?", help="none: list the names")
            entry.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    return top


def _preflight(_: argparse.Namespace) -> int:
    from sandbox import preflight

    print(preflight.check(find_layout()))
    return 0


def _packages(arguments: argparse.Namespace) -> int:
    from sandbox import packages, preflight

    preflight.check_root()
    print(packages.install_missing(arguments.names or packages.PACKAGES))
    return 0


def _up(_: argparse.Namespace) -> int:
    from sandbox import preflight

    layout = find_layout()
    print(preflight.check(layout))
    from sandbox import cluster

    cluster.up(layout)
    return 0


def _down(_: argparse.Namespace) -> int:
    from sandbox import cluster, preflight

    preflight.check_root()
    print("\n".join(cluster.down(find_layout())))
    return 0


def _status(_: argparse.Namespace) -> int:
    from sandbox import preflight, status

    preflight.check_root()
    text, healthy = status.describe(find_layout())
    print(text)
    return 0 if healthy else 1


def _observe(_: argparse.Namespace) -> int:
    from sandbox import observe, preflight

    preflight.check_root()
    print(observe.observe(find_layout()))
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    from sandbox import status

    layout = find_layout()
    if arguments.name is None:
        print(*status.log_names(layout), sep="\n")
        return 0
    return status.show_log(layout, arguments.name, follow=arguments.follow)


def _pipeline(arguments: argparse.Namespace) -> int:
    from sandbox import pipeline, preflight

    preflight.check_root()
    pipeline.run(find_layout(), arguments.model)
    return 0


def _test_image(arguments: argparse.Namespace) -> int:
    from sandbox import pipeline, preflight

    preflight.check_root()
    pipeline.test_image(find_layout(), arguments.model)
    return 0


def _kubectl(arguments: argparse.Namespace) -> int:
    from sandbox.proc import stream

    layout = find_layout()
    return stream([layout.tool("kubectl"), f"--kubeconfig={layout.kubeconfig}", *arguments.words])


def _exec(arguments: argparse.Namespace) -> int:
    from sandbox import netns, preflight
    from sandbox.proc import stream

    preflight.check_root()
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise SandboxError(
            "there is no command to run",
            found="exec",
            expected="exec -- CMD [WORD...]",
            fix="try `python3 -m sandbox exec -- ip address`",
        )
    return stream(netns.enter_argv(words))


if __name__ == "__main__":
    sys.exit(main())
