"""`modelctl verify`: verify a bundle and print its digest."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._options import output_option


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--digest", default=None, help="Expected digest (sha256:<64 hex digits>)")
@click.option(
    "--public-key",
    default=None,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public key (PEM) to verify the signature of `modelctl sign-bundle` with",
)
@output_option
def command(bundle: Path, digest: str | None, public_key: Path | None, output: str) -> None:
    """Verify every hash of BUNDLE and print its digest; exit code 3 if verification fails.

    \b
    Example:
      modelctl verify build/bundles/iris --digest sha256:...
    """
    from modelctl.packaging.bundles import verify_bundle

    verified = verify_bundle(bundle, digest)
    if public_key is not None:
        from modelctl.supply.signing import ensure_signed

        ensure_signed(verified, public_key)
    manifest = verified.manifest
    document = {"digest": verified.digest, "name": manifest["name"], "version": manifest["version"]}
    _result.echo(output, verified.digest, document)
