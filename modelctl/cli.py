"""The list of commands. Each is imported when it is called, so that `--help` stays quick."""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "new": "Write the files of a new model: training code that runs, and values.",
    "package": "Turn a fitted estimator and a sample into a verified bundle.",
    "validate": "Compare the rows that a model is trained on with what is expected of them.",
    "gate": "Compare a new build's metrics with the model's baseline.",
    "verify": "Recompute every hash of a bundle and print its digest.",
    "sign-bundle": "Say with a private key that a bundle is ours.",
    "serve": "Serve a bundle on this machine.",
    "predict": "Predict the rows of a file by a running service.",
    "smoke": "Ask a running service its bundle's sample, and compare.",
    "test-image": "Run an image as a pod runs it, ask it, and look inside.",
    "bump": "Write a new image and bundle into an environment's version file.",
    "promote": "Copy a model's version file from the environment before.",
    "rollback": "Put an earlier version back, from git history.",
    "history": "List the versions that a model has had in an environment.",
    "retire": "Take a model out of an environment: its version file and its Application.",
    "freeze": "Stop changes to an environment, or to one model in it, until a date.",
    "unfreeze": "End a freeze.",
    "status": "Show what runs where: git beside the cluster.",
    "drift": "Compare live rows with the sample that a bundle was packaged with.",
    "wait": "Wait until the cluster serves the version that git says.",
    "diff": "Show what a change does to the rendered manifests.",
    "package-chart": "Package the chart, the same bytes from the same content.",
    "render": "Print the manifests of a release as Argo CD applies them.",
    "check": "Check everything under environments/.",
    "bootstrap": "Let an existing Argo CD follow this repository.",
}


class LazyGroup(click.Group):
    """A group whose commands live in `modelctl/commands/<name>.py` as a function `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order a version travels, not in the alphabet's."""
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from COMMANDS without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ml-model")
def cli() -> None:
    """Package, verify, serve and promote scikit-learn models by GitOps."""
