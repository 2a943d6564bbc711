"""`modelctl verify`: recompute every hash of a bundle and print its digest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--digest", default=None, help="The digest it must have (sha256:<64 hex>).")
def command(bundle: Path, digest: str | None) -> None:
    """Verify BUNDLE and print its digest; exit code 3 when it is refused.

    \b
    Example:
      modelctl verify build/bundles/iris --digest sha256:...
    """
    from modelctl.bundles import verified

    click.echo(verified(bundle, digest).digest)
