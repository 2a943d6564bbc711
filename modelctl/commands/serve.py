"""`modelctl serve`: serve a bundle on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on",
)
@click.option(
    "--workers", type=click.IntRange(1, 256), default=None, help="Number of worker processes"
)
def command(bundle: Path, host: str, port: int, workers: int | None) -> None:
    """Serve BUNDLE until Ctrl-C, with the code that the container runs.

    \b
    Example:
      modelctl serve build/bundles/iris --port 8080
    """
    from modelctl.service.serve import become_server, environment

    variables = environment(bundle, host=host, port=port, workers=workers)
    click.echo(f"serving {bundle} ({variables['MODEL_DIGEST'][:19]}...) on http://{host}:{port}")
    become_server(variables)
