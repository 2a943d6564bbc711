"""`modelctl test-image`: does an image run as a pod runs it?"""

from __future__ import annotations

import shutil
from pathlib import Path

import click


@click.command()
@click.argument("image")
@click.option(
    "--bundle",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The bundle that is in the image.",
)
@click.option(
    "--containerd",
    "socket",
    default="",
    metavar="SOCKET",
    help="Run it by containerd's `ctr`, not by docker.",
)
@click.option("--memory", type=click.IntRange(64), default=512, show_default=True, help="In MiB.")
def command(image: str, folder: Path, socket: str, memory: int) -> None:
    """Run IMAGE with a read-only root and without rights, and ask it its bundle's sample.

    Looked at is also: that it is not root, cannot change its model, ends on SIGTERM, and that it
    refuses to start with another digest than its bundle's. Exit code 3 when anything is not so.

    \b
    Examples:
      modelctl test-image iris:1.0.0 --bundle build/bundles/iris
      modelctl test-image REPOSITORY@sha256:... --bundle build/bundles/iris --containerd SOCKET
    """
    from rich.markup import escape

    from modelctl.commands._table import console, table
    from modelctl.errors import ModelctlError, RefusedError
    from modelctl.packaging.bundles import verified
    from modelctl.quality import containers, image_test

    engine: containers.Engine
    engine = containers.Containerd(socket) if socket else containers.Docker()
    program = "ctr" if socket else "docker"
    if shutil.which(program) is None:
        raise ModelctlError(
            f"{program} is not on PATH", fix="install it, or pass --containerd SOCKET"
        )
    findings = image_test.examine(engine, image_test.Subject(image, verified(folder), memory))
    made = table("THE IMAGE", "", last="SEEN")
    for finding in findings:
        made.add_row(finding.claim, "yes" if finding.passes else "NO", escape(finding.seen))
    console().print(made)
    wrong = [finding for finding in findings if not finding.passes]
    if wrong:
        raise RefusedError(
            f"{image} does not run as a pod has to",
            found="; ".join(f"not so: {finding.claim} ({finding.seen})" for finding in wrong),
            expected="every line of the table",
            fix="mend the Dockerfile or the service, and build it again",
        )
