"""`modelctl auto-promote`: promote what is ready into automatic environments."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from modelctl.commands import _result
from modelctl.commands._edit import DisplayOptions, show_and_apply
from modelctl.commands._options import (
    complete_environments,
    complete_models,
    dry_run_option,
    live_option,
    output_option,
)
from modelctl.commands._propose import planning_checkout
from modelctl.errors import ModelctlError, UsageError
from modelctl.promotion import automatic, proposal, pull_request
from modelctl.promotion.batch import plan_all
from modelctl.promotion.promote import Options
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import FILE

if TYPE_CHECKING:
    from modelctl.promotion.automatic import Candidate


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1, shell_complete=complete_models)
@click.option(
    "--to",
    "environment",
    default="",
    help="Environment to promote to; default: every automatic one",
    shell_complete=complete_environments,
)
@click.option("--pull-request", is_flag=True, help="Pull request for each model; needs `gh`")
@click.option(
    "--merge", is_flag=True, help="Merge of each pull request once its checks have passed"
)
@live_option
@dry_run_option
@output_option
def command(
    models: tuple[str, ...],
    environment: str,
    pull_request: bool,
    merge: bool,
    live: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Promote every version that is ready to environments with `promotion: automatic`.

    Ready is what `modelctl promote` would promote: soak time, health and verification in the
    previous environments, a replay where one is asked for, no freeze, an open window. A version
    that ran there before is never promoted again: somebody rolled it back. Run it on a schedule;
    runs may overlap. Exit code 1 if a model could not be looked at, after all others.

    \b
    Examples:
      modelctl auto-promote --dry-run
      modelctl auto-promote --to production --pull-request --merge
    """
    if merge and not pull_request:
        raise UsageError("--merge without --pull-request", expected="both, or neither")
    proposes = pull_request and not dry_run
    with planning_checkout(for_pull_request=proposes) as repository:
        candidates = automatic.plan(repository, models, environment, live=live)
        opened = {}
        if not proposes:
            _write(repository, candidates, DisplayOptions(dry_run, output))
    if proposes:
        opened = _open(candidates, live=live, merge=merge, output=output)
    failed = [each for each in candidates if each.is_error]
    failed += [each for each in candidates if opened.get(_key(each), "").startswith("error: ")]
    if output == "json" and pull_request and not dry_run:
        entries = [_as_json(each, opened.get(_key(each), "")) for each in candidates]
        _result.echo_json({"promotions": entries})
    if failed:
        names = ", ".join(_key(each) for each in failed)
        raise ModelctlError(f"could not promote {names}", fix="see the lines above")


def _key(candidate: Candidate) -> str:
    return f"{candidate.environment.name}/{candidate.model}"


def _as_json(candidate: Candidate, opened: str) -> dict[str, object]:
    promotion = candidate.promotion
    return {
        "model": candidate.model,
        "environment": candidate.environment.name,
        "version": promotion.version.model.version if promotion else "",
        "ready": promotion is not None,
        "refused": candidate.refused,
        "pullRequest": opened,
    }


def _write(repository: Repository, candidates: list[Candidate], display: DisplayOptions) -> None:
    """Write the files of all that is ready, or show them."""
    batches = [each.batch for each in candidates if each.batch]
    _print_refused(candidates, display.output)
    if not batches and display.output == "table":
        click.echo(_nothing(repository))
        return
    message = batches[0].subject if len(batches) == 1 else f"Promote {len(batches)} versions"
    show_and_apply(
        repository,
        [edit for batch in batches for edit in batch.edits],
        message=message,
        display=replace(display, details={"promotions": [_as_json(c, "") for c in candidates]}),
    )


def _nothing(repository: Repository) -> str:
    """Why nothing was promoted, if it never could be."""
    if any(each.promotion == "automatic" for each in repository.environments):
        return "nothing is ready"
    return f"nothing is ready: no environment in {FILE} has `promotion: automatic`"


def _open(candidates: list[Candidate], *, live: bool, merge: bool, output: str) -> dict[str, str]:
    """Open a pull request for each that is ready; the URL, or the error, of each."""
    if not pull_request.has_gh():
        raise ModelctlError(
            "`gh` is not on PATH", expected="GitHub's CLI", fix="leave out --pull-request"
        )
    _print_refused(candidates, output)
    opened = {}
    for candidate in candidates:
        if candidate.batch is None:
            continue
        try:
            opened[_key(candidate)] = _open_one(candidate, live=live, merge=merge)
        except ModelctlError as error:
            # Somebody else's commits on one branch, say, must not stop the others.
            opened[_key(candidate)] = f"error: {error.what}: {error.found}".rstrip(": ")
        if output == "table":
            click.echo(f"{_key(candidate)}: {opened[_key(candidate)]}")
    if not opened and output == "table":
        click.echo(_nothing(Repository.find()))
    return opened


def _open_one(candidate: Candidate, *, live: bool, merge: bool) -> str:
    """Plan it once more, in a checkout of its own: each is a branch of its own."""
    with planning_checkout(for_pull_request=True) as repository:
        now = datetime.now(UTC)
        options = Options(live=live, automatic=True)
        batch = plan_all(repository, [candidate.model], candidate.environment.name, options)
        if not batch.changing:  # merged since it was planned
            return "already up to date"
        request = proposal.request(repository, batch, now, live=live)
        url = pull_request.open_request(repository, request)
        if merge:
            pull_request.merge_when_ready(repository, request)
        return url


def _print_refused(candidates: list[Candidate], output: str) -> None:
    for each in candidates if output == "table" else ():
        if each.refused:
            click.echo(f"not ready: {_key(each)}: {each.refused}")
