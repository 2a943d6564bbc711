"""`modelctl serve`: serve a bundle on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._options import output_option


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
@output_option
def command(bundle: Path, host: str, port: int, workers: int | None, output: str) -> None:
    """Serve BUNDLE until Ctrl-C, with the code that the container runs.

    \b
    Example:
      modelctl serve build/bundles/iris --port 8080
    """
    from modelctl.service.serve import become_server, environment

    variables = environment(bundle, host=host, port=port, workers=workers)
    digest, url = variables["MODEL_DIGEST"], f"http://{host}:{port}"
    text = f"serving {bundle} ({digest[:19]}...) on {url}"
    _result.echo(output, text, {"url": url, "digest": digest})
    become_server(variables)
