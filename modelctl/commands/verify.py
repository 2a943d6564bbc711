"""`modelctl verify`: recompute every hash of a bundle and print its digest."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--digest", default=None, help="The digest it must have (sha256:<64 hex>).")
@click.option(
    "--public-key",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The key (PEM) that must have signed it, as `modelctl sign-bundle` does.",
)
def command(bundle: Path, digest: str | None, public_key: Path | None) -> None:
    """Verify BUNDLE and print its digest; exit code 3 when it is refused.

    \b
    Example:
      modelctl verify build/bundles/iris --digest sha256:...
    """
    from modelctl.packaging.bundles import verified

    found = verified(bundle, digest)
    if public_key is not None:
        from modelctl.supply.signing import check

        check(found, public_key)
    click.echo(found.digest)
