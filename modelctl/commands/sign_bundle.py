"""`modelctl sign-bundle`: sign a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from modelctl.commands import _result
from modelctl.commands._options import output_option


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key (P-256, P-384 or P-521) in PEM format",
)
@click.option(
    "--password-env",
    default="MODEL_SIGNING_PASSWORD",
    show_default=True,
    help="Environment variable with the key's password",
)
@output_option
def command(bundle: Path, key: Path, password_env: str, output: str) -> None:
    """Verify and sign BUNDLE, and write model.sig beside its manifest.

    The signature follows OpenSSF model signing: the pod verifies it, and so does `model_signing
    verify key`. Signing does not change the bundle's digest.

    \b
    Example:
      openssl ecparam -name prime256v1 -genkey -noout -out signing.pem
      openssl ec -in signing.pem -pubout -out signing.pub
      modelctl sign-bundle build/bundles/iris --key signing.pem
    """
    import os

    from modelctl.supply.signing import sign

    signature = sign(bundle, key, os.environ.get(password_env))
    _result.echo(output, str(signature), {"signature": signature})
