"""`modelctl build`: bring the bundles of models up to date."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import click

from modelctl.commands import _result
from modelctl.commands._loading import collector_paused
from modelctl.commands._options import complete_models, output_option

if TYPE_CHECKING:
    from modelctl.packaging.build import Home, State


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...", shell_complete=complete_models)
@click.option("--force", is_flag=True, help="Train and package again what is up to date")
@click.option("--replace", is_flag=True, help="Replace a bundle that comes from elsewhere")
@output_option
def command(models: tuple[str, ...], force: bool, replace: bool, output: str) -> None:
    """Train and package MODEL into build/bundles/MODEL, unless that is up to date; default: all.

    A model without training code is packaged from the files in `source:` of its model.yaml, whose
    SHA-256 are verified. Whether a bundle is up to date is decided by the content of every file
    below models/MODEL, of the locked requirements and of the code that packages; baseline.yaml and
    data.yaml do not count.

    \b
    Examples:
      modelctl build iris
      modelctl build --force
    """
    from app.model.bundle import MANIFEST, digest_of
    from modelctl.packaging import build
    from modelctl.repository.checkout import find_models

    root = find_models()
    names = list(models) or build.models(root)
    options = [*(["--force"] if force else []), *(["--replace"] if replace else [])]
    if len(names) == 1:
        home = build.Home(root, names[0])
        is_built = _build(home, force=force, replace=replace)
        if output == "json":
            digest = digest_of((home.bundle / MANIFEST).read_bytes())
            document = {"model": home.model, "built": is_built, "bundle": home.bundle}
            _result.echo(output, "", [{**document, "digest": digest}])
        return
    failed = []
    documents: list[object] = []
    for name in names:
        # Each in a process of its own: their helper modules may have the same names.
        argv = [sys.executable, "-m", "modelctl", "build", name, *options]
        if output == "json":
            argv.append("--output=json")
        pipe = subprocess.PIPE if output == "json" else None
        done = subprocess.run(argv, check=False, cwd=root, stdout=pipe)
        if done.returncode != 0:
            failed.append(name)
        elif output == "json":
            documents += json.loads(done.stdout)
    if output == "json":
        _result.echo(output, "", documents)
    if failed:
        from modelctl.errors import ModelctlError

        raise ModelctlError(
            f"{len(failed)} of {len(names)} models could not be built", found=", ".join(failed)
        )


def _build(home: Home, *, force: bool, replace: bool) -> bool:
    """Build unless it is up to date; whether it was built."""
    from modelctl.packaging import build, fingerprint

    state = build.inspect(home)
    if not state.changed and not force:
        click.echo(f"{home.model}: build/bundles/{home.model} is up to date")
        return False
    if not replace:
        build.require_own_bundle(home)
    reason = fingerprint.in_words(state.changed) or "--force"
    click.echo(f"{home.model}: building ({reason})")
    build.train(home, state, force=force)
    _package(home, state)
    return True


def _package(home: Home, state: State) -> None:
    from rich.console import Console

    started = time.monotonic()
    with Console(stderr=True).status("loading scikit-learn") as status:
        with collector_paused():
            from modelctl.packaging import build
            from modelctl.packaging.package import plan, write
            from modelctl.packaging.table import print_attempts, print_inputs
            from modelctl.packaging.training_output import Request, read_training_output

            status.update("reading the model and the sample")
            source = home.source()
            key = source.key if source is not None else ""
            request = Request(home.training, config=home.config, key=key)
            training_output = read_training_output(request)
        planned = plan(
            training_output,
            engine="auto",
            tolerance=1e-6,
            on_step=status.update,
            score=source is not None,
        )
        planned.report[build.BUILT] = build.record_of(home, state, planned.digest)
        digest = write(planned, home.bundle)
    print_inputs(planned)
    print_attempts(planned)
    seconds = time.monotonic() - started
    out = home.bundle.relative_to(home.root)
    click.echo(f"{training_output.name} {training_output.version} -> {out} in {seconds:.1f} s")
    click.echo(digest)
