"""`modelctl test-image`: run an image unprivileged and verify it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from modelctl.commands import _result
from modelctl.commands._options import bundle_option, output_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("image")
@bundle_option("folder", "Bundle in the image")
@click.option(
    "--containerd",
    "socket",
    default="",
    metavar="SOCKET",
    help="containerd socket, to run with `ctr` instead of docker",
)
@click.option(
    "--memory",
    type=click.IntRange(64),
    default=512,
    show_default=True,
    help="Memory limit in MiB",
)
@output_option
def command(image: str, folder: Path, socket: str, memory: int, output: str) -> None:
    """Run IMAGE unprivileged with a read-only root filesystem, and smoke-test it.

    Checks that it predicts its bundle's sample as recorded, does not run as root, cannot write to
    its model, exits on SIGTERM, and refuses to start with another bundle digest. Exit code 3 if a
    check fails.

    \b
    Examples:
      modelctl test-image iris:1.0.0 --bundle build/bundles/iris
      modelctl test-image REPOSITORY@sha256:... --bundle build/bundles/iris --containerd SOCKET
    """
    from rich.markup import escape

    from modelctl.commands._table import console, table
    from modelctl.errors import ModelctlError, RefusedError
    from modelctl.packaging.bundles import verify_bundle
    from modelctl.quality import containers, image_test

    engine: containers.Engine
    engine = containers.Containerd(socket) if socket else containers.Docker()
    program = "ctr" if socket else "docker"
    if shutil.which(program) is None:
        raise ModelctlError(
            f"{program} is not on PATH", fix="install it, or pass --containerd SOCKET"
        )
    checks = image_test.examine(engine, image_test.Subject(image, verify_bundle(folder), memory))
    if output == "json":
        seen = [{"claim": c.claim, "passes": c.passes, "found": c.seen} for c in checks]
        _result.echo(output, "", {"checks": seen})
    else:
        rows = table("THE IMAGE", "", last="FOUND")
        for check in checks:
            rows.add_row(check.claim, "yes" if check.passes else "NO", escape(check.seen))
        console().print(rows)
    failed = [check for check in checks if not check.passes]
    if failed:
        raise RefusedError(
            f"{image} failed {len(failed)} of {len(checks)} checks",
            expected="; ".join(check.claim for check in failed),
            found="; ".join(check.seen for check in failed),
            fix="correct the Dockerfile or the service, and build the image again",
        )
