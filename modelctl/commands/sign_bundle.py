"""`modelctl sign-bundle`: say with a private key that a bundle is ours."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key on P-256, P-384 or P-521, as PEM.",
)
@click.option(
    "--password-env",
    default="MODEL_SIGNING_PASSWORD",
    show_default=True,
    help="The variable with the key's password, if it has one.",
)
def command(bundle: Path, key: Path, password_env: str) -> None:
    """Verify BUNDLE, sign it, and write model.sig beside its manifest.

    OpenSSF model signing, which `model_signing verify key` checks as well as the pod does. The
    digest of the bundle stays what it is.

    \b
    Example:
      openssl ecparam -name prime256v1 -genkey -noout -out signing.pem
      openssl ec -in signing.pem -pubout -out signing.pub
      modelctl sign-bundle build/bundles/iris --key signing.pem
    """
    import os

    from modelctl.supply.signing import sign

    click.echo(sign(bundle, key, os.environ.get(password_env)))
