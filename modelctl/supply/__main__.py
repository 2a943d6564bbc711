"""The command behind the make targets `sbom`, `provenance` and `scan`.

python -m modelctl.supply sbom MODEL --out FILE [--image REFERENCE] [--inventory FILE]
python -m modelctl.supply provenance MODEL --out FILE
python -m modelctl.supply scan [REQUIREMENTS...] [--may-be-unreachable]

For `model_trainer` in place of MODEL the first two describe the image that trains.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from modelctl.errors import ModelctlError
from modelctl.packaging.bundles import verify_bundle
from modelctl.supply import trainer
from modelctl.supply.builds import BUNDLES, requirements_of

OUT = click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write",
)
BUNDLE_FOLDER = click.option(
    "--bundles", default=BUNDLES, show_default=True, type=Path, help="Folder of bundles"
)
# The requirements of images; development tools are scanned only if their file is passed.
SHIPPED = (
    *("serve", "serve-sklearn", "serve-boosters", "batch", "batch-sklearn", "batch-boosters"),
    *("fetch", "train", "uv"),
)
LOCKS = Path("requirements")
WAIVERS = LOCKS / "vulnerabilities.yaml"


@click.group()
def cli() -> None:
    """Bills of materials, provenance and known vulnerabilities."""


@cli.command()
@click.argument("model")
@OUT
@click.option("--image", default="", help="Image reference with its digest")
@BUNDLE_FOLDER
@click.option(
    "--locks", default=LOCKS, show_default=True, type=Path, help="Folder of locked requirements"
)
@click.option(
    "--inventory",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Inventory of the image, from modelctl/supply/inventory.py",
)
def sbom(
    model: str, out: Path, image: str, bundles: Path, locks: Path, inventory: Path | None
) -> None:
    """Write the CycloneDX bill of materials of MODEL's image."""
    from modelctl.supply import sbom as materials
    from modelctl.supply.requirements import read

    if model == trainer.NAME:
        here = Path.cwd()
        subject = materials.of_trainer(*trainer.head(here), trainer.origins(here))
        locked = trainer.REQUIREMENTS
    else:
        bundle = verify_bundle(bundles / model)
        subject, locked = materials.of_model(bundle), requirements_of(bundle.manifest)
    requirements = read(locks / f"{locked}.txt")
    installed = json.loads(inventory.read_text(encoding="utf-8")) if inventory else None
    text = materials.document(subject, requirements, image=image, inventory=installed)
    _write(out, text)
    source = "the image" if inventory else "locked requirements; without the base image"
    click.echo(f"{out}: {len(materials.names(text))} libraries, from {source}")


@cli.command()
@click.argument("model")
@OUT
@BUNDLE_FOLDER
def provenance(model: str, out: Path, bundles: Path) -> None:
    """Write the SLSA provenance of MODEL's image."""
    from modelctl.supply import provenance as predicates

    if model == trainer.NAME:
        document = predicates.of_trainer(Path.cwd(), os.environ)
    else:
        bundle = verify_bundle(bundles / model)
        document = predicates.of_model(Path.cwd(), bundle, os.environ)
    _write(out, json.dumps(document, indent=2, sort_keys=True) + "\n")
    click.echo(f"{out}: built by {document['runDetails']['builder']['id']}")


@cli.command()
@click.argument("requirements", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--osv-url", default="", help="URL of an OSV-compatible service")
@click.option("--may-be-unreachable", is_flag=True, help="Exit code 0 with a warning without data")
def scan(requirements: tuple[Path, ...], osv_url: str, *, may_be_unreachable: bool) -> None:
    """Scan locked requirements for known vulnerabilities.

    Exit code 3: known vulnerabilities; 4: packages that could not be scanned.
    """
    from modelctl.supply import scan as scanning

    paths = requirements or tuple(LOCKS / f"{name}.txt" for name in SHIPPED)
    code, lines = scanning.main(paths, WAIVERS, osv_url=osv_url)
    click.echo("\n".join(lines))
    if code == scanning.NOT_SCANNED and may_be_unreachable:
        click.echo("*** NOT SCANNED (see above): this is not a pass ***", err=True)
        code = 0
    sys.exit(code)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def main() -> None:
    """Run a command; turn errors into a message and an exit code."""
    try:
        cli()
    except ModelctlError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
