"""`python3 -m sandbox`: the commands, what they print, and the one error exit.

`preflight` and `packages` run on a bare system Python, so everything else is imported late.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from sandbox.errors import REFUSED, SandboxError
from sandbox.layout import find_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


# What a drill destroys; each is run on its own.
CASES = ("etcd", "registry", "both")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 is success, 1 a SandboxError or an unhealthy status, 3 a refusal by modelctl, whose message
    is printed as it is, 130 Ctrl-C.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # The arguments of these two are another program's, `--` included.
    passed_through = words[1:] if words[:1] in (["kubectl"], ["exec"]) else []
    arguments = parser().parse_args(words[:1] if passed_through else words)
    arguments.words = passed_through
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except SandboxError as error:
        print(error.message if error.is_refusal else error, file=sys.stderr)
        return REFUSED if error.is_refusal else 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    top = argparse.ArgumentParser(
        prog="python3 -m sandbox",
        description="A real Kubernetes node with a real Argo CD on this machine.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("preflight", _preflight, "check whether this machine can run the sandbox"),
        ("packages", _packages, "install missing Debian packages"),
        ("up", _up, "start the sandbox, or bring it up to date"),
        ("down", _down, "stop the sandbox; remove its mounts, interfaces and namespace"),
        ("status", _status, "show the components; exit code 1 unless all are ready"),
        ("drill", _drill, "save, destroy, bring back and compare: a disaster drill on the sandbox"),
        ("observe", _observe, "start Prometheus for a running sandbox"),
        ("delivery", _delivery, "start the Argo Rollouts controller for a running sandbox"),
        ("mesh", _mesh, "start Istio's control plane and a gateway for a running sandbox"),
        ("gateway", _gateway, "start Envoy Gateway for a running sandbox"),
        ("logs", _logs, "print a component's log"),
        ("pipeline", _pipeline, "release a committed model to every environment"),
        ("test-image", _test_image, "build a model's image and test it as a pod would run it"),
        ("kubectl", _kubectl, "run kubectl as cluster administrator"),
        ("exec", _exec, "run a command inside the network namespace: exec -- CMD"),
    ):
        entry = commands.add_parser(name, help=text, description=text)
        entry.set_defaults(command=command)
        if command in (_pipeline, _test_image):
            entry.add_argument("model", metavar="MODEL")
        if command is _drill:
            entry.add_argument(
                "--case", choices=CASES, action="append", help="default: all of them"
            )
            only = entry.add_mutually_exclusive_group()
            only.add_argument("--dry-run", action="store_true", help="print the plan only")
            only.add_argument("--restore", action="store_true", help="bring back the last copy")
        if command is _packages:
            entry.add_argument(
                "names", metavar="NAME", nargs="*", help="default: all that the sandbox needs"
            )
        if command is _logs:
            entry.add_argument(
                "name", metavar="NAME", nargs="?", help="default: list the components"
            )
            entry.add_argument("-f", "--follow", action="store_true", help="follow the log")
    return top


def _preflight(_: argparse.Namespace) -> int:
    from sandbox import preflight

    print(preflight.require_supported(find_layout()))
    return 0


def _packages(arguments: argparse.Namespace) -> int:
    from sandbox import packages, preflight

    preflight.require_root()
    print(packages.install_missing(arguments.names or packages.PACKAGES))
    return 0


def _up(_: argparse.Namespace) -> int:
    from sandbox import preflight

    layout = find_layout()
    print(preflight.require_supported(layout))
    from sandbox import cluster

    cluster.up(layout)
    return 0


def _down(_: argparse.Namespace) -> int:
    from sandbox import cluster, preflight

    preflight.require_root()
    print("\n".join(cluster.down(find_layout())))
    return 0


def _status(_: argparse.Namespace) -> int:
    from sandbox import preflight, status

    preflight.require_root()
    text, healthy = status.describe(find_layout())
    print(text)
    return 0 if healthy else 1


def _drill(arguments: argparse.Namespace) -> int:
    from sandbox import drill, preflight

    preflight.require_root()
    if arguments.restore:
        drill.restore(find_layout(), os.environ)
        return 0
    drill.drill(find_layout(), arguments.case or CASES, os.environ, dry_run=arguments.dry_run)
    return 0


def _observe(_: argparse.Namespace) -> int:
    from sandbox import observe, preflight

    preflight.require_root()
    print(observe.observe(find_layout()))
    return 0


def _delivery(_: argparse.Namespace) -> int:
    from sandbox import preflight, progressive

    preflight.require_root()
    print(progressive.deliver(find_layout()))
    return 0


def _mesh(_: argparse.Namespace) -> int:
    from sandbox import mesh, preflight

    preflight.require_root()
    print(mesh.start(find_layout()))
    return 0


def _gateway(_: argparse.Namespace) -> int:
    from sandbox import gateway, preflight

    preflight.require_root()
    print(gateway.start(find_layout()))
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

    preflight.require_root()
    pipeline.run(find_layout(), arguments.model)
    return 0


def _test_image(arguments: argparse.Namespace) -> int:
    from sandbox import pipeline, preflight

    preflight.require_root()
    pipeline.test_image(find_layout(), arguments.model)
    return 0


def _kubectl(arguments: argparse.Namespace) -> int:
    from sandbox.proc import stream

    layout = find_layout()
    return stream([layout.tool("kubectl"), f"--kubeconfig={layout.kubeconfig}", *arguments.words])


def _exec(arguments: argparse.Namespace) -> int:
    from sandbox import netns, preflight
    from sandbox.proc import stream

    preflight.require_root()
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        raise SandboxError(
            "no command to run",
            found="`exec` without arguments",
            expected="exec -- CMD [WORD...]",
            fix="for example: `python3 -m sandbox exec -- ip address`",
        )
    return stream(netns.enter_argv(words))


if __name__ == "__main__":
    sys.exit(main())
