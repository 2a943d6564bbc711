"""`modelctl smoke`: does a running service predict what its bundle says?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("url")
@click.option(
    "--bundle",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="The bundle that it has to serve.",
)
def command(url: str, folder: Path) -> None:
    """Ask the service at URL every row of the bundle's sample.

    Exit code 3 when it serves another bundle, or predicts anything else than packaging recorded.

    \b
    Example:
      modelctl smoke http://127.0.0.1:8080 --bundle build/bundles/iris
    """
    from modelctl.errors import RefusedError
    from modelctl.packaging.bundles import verified
    from modelctl.quality import smoke
    from modelctl.service.client import Client

    bundle = verified(folder)
    name = f"{bundle.manifest['name']} {bundle.manifest['version']}"
    with Client(url) as client:
        found = smoke.problems(client, bundle)
    if found:
        raise RefusedError(
            f"{url} does not serve {name} as it was packaged",
            found="; ".join(found),
            expected=f"what {folder} says",
            fix="look at its log, and at /model/info",
        )
    rows = len(smoke.rows_of(bundle)[0])
    click.echo(f"{name}: {rows} rows predicted as packaging recorded, {bundle.digest}")
