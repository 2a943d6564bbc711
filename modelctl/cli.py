"""The list of commands. Each is imported when it is called, so that `--help` stays fast."""

from __future__ import annotations

import importlib

import click

from modelctl import names

COMMANDS = {
    "new": "Create a model: its training code or finished file, and its value files.",
    "build": "Train and package models whose inputs changed.",
    "package": "Package a fitted estimator and a sample as a verified bundle.",
    "validate": "Validate a model's training data against its data.yaml.",
    "gate": "Compare a build's metrics with the model's metric baseline.",
    "train": "Train a model and publish its bundle in a store.",
    "verify": "Verify a bundle and print its digest.",
    "sign-bundle": "Sign a bundle.",
    "serve": "Serve a bundle on this machine.",
    "predict": "Score a file against a running service.",
    "load": "Load a service at fixed rates, and measure its answers.",
    "profile": "Measure what a bundle costs, and what its pod needs.",
    "batch": "Predict files on this machine, part by part.",
    "smoke": "Smoke-test a service with its bundle's sample.",
    "test-image": "Run an image unprivileged and verify it.",
    "bump": "Write a new build into an environment's version file.",
    "promote": "Promote versions of models from the previous environment.",
    "auto-promote": "Promote every version that is ready to automatic environments.",
    "verify-release": "Verify that a release answers as packaged, for its next promotion.",
    "rollback": "Roll back a model to an earlier version from git history.",
    "history": "List the versions of a model in an environment, or every change of all.",
    "retire": "Remove a model from an environment: its version file and its Application.",
    "freeze": "Freeze an environment, or one model in it, until a date.",
    "unfreeze": "End a freeze.",
    "status": "Show what runs where: git compared with the cluster.",
    "drift": "Measure the drift of live data from a bundle's sample.",
    "variant": "Let other versions serve beside a release: A/B tests and shadows.",
    "replay": "Compare a candidate's answers with captured ones, row by row.",
    "experiment": "Plan, follow and analyse an A/B test.",
    "wait": "Wait until the cluster serves the version in git.",
    "diff": "Show what a change does to the rendered manifests.",
    "package-chart": "Package the chart reproducibly.",
    "render": "Print the manifests of a release as Argo CD applies them.",
    "check": "Check every file under environments/.",
    "bootstrap": "Set up an existing Argo CD to follow this repository.",
    "completion": "Print the script for completion in a shell.",
}


class LazyGroup(click.Group):
    """A group whose commands live in `modelctl/commands/<name>.py` as a function `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a version passes through them, not alphabetical."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of the command; None lets click report an unknown name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"modelctl.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a line; an unknown one is refused with the nearest names."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = " or ".join(names.nearest(name, COMMANDS))
            ctx.fail(f"No such command '{name}'." + (f" Did you mean {near}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from COMMANDS without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ml-model")
def cli() -> None:
    """Package, verify, serve and promote scikit-learn models with GitOps."""
