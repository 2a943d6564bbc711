"""`modelctl smoke`: smoke-test a service with its bundle's sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from modelctl.commands import _result
from modelctl.commands._options import bundle_option, output_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("url")
@bundle_option("folder", "Bundle that the service has to serve")
@output_option
def command(url: str, folder: Path, output: str) -> None:
    """Smoke-test the service at URL with every row of the bundle's sample.

    Exit code 3 if it serves another bundle, or its predictions differ from the recorded ones.

    \b
    Example:
      modelctl smoke http://127.0.0.1:8080 --bundle build/bundles/iris
    """
    from modelctl.errors import RefusedError
    from modelctl.packaging.bundles import verify_bundle
    from modelctl.quality import smoke
    from modelctl.service.client import Client

    bundle = verify_bundle(folder)
    name = f"{bundle.manifest['name']} {bundle.manifest['version']}"
    with Client(url) as client:
        mismatches = smoke.mismatches(client, bundle)
    if mismatches:
        raise RefusedError(
            f"{url} does not serve {name} as packaged",
            expected=f"the digest and the predictions of {folder}",
            found="; ".join(mismatches),
            fix="check the service's log and /model/info",
        )
    rows = len(smoke.sample_rows(bundle)[0])
    text = f"{name}: {rows} predictions match the recorded ones, {bundle.digest}"
    manifest = bundle.manifest
    document = {"name": manifest["name"], "version": manifest["version"], "rows": rows}
    _result.echo(output, text, {**document, "digest": bundle.digest})
