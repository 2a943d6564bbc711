"""`modelctl promote`: promote versions from the previous environments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import click

from modelctl.commands._edit import DisplayOptions
from modelctl.commands._options import (
    complete_environments,
    complete_models,
    dry_run_option,
    environment_option,
    live_option,
    output_option,
    reason_option,
)
from modelctl.commands._propose import planning_checkout, propose_or_write, pull_request_option
from modelctl.errors import UsageError
from modelctl.promotion import batch as batches
from modelctl.promotion import promote, proposal, rollback
from modelctl.promotion.promote import Options
from modelctl.promotion.pull_request import has_gh
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import OverridableRule

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, shell_complete=complete_models)
@environment_option("--to", "Environment to promote to")
@click.option("--all-ready", is_flag=True, help="Every model with another version that may enter")
@click.option("--with-settings", is_flag=True, help="Values of settings.yaml as well")
@click.option(
    "--override",
    "overridden",
    type=click.Choice(get_args(OverridableRule)),
    multiple=True,
    help="Rule to leave out, where `overrides` of the environment allows it; repeatable",
)
@reason_option("Reason of an override", required=False)
@click.option(
    "--from",
    "origin",
    default="",
    help="Environment to take the version from, with `--override order`",
    shell_complete=complete_environments,
)
@pull_request_option
@live_option
@dry_run_option
@output_option
def command(
    models: tuple[str, ...],
    environment: str,
    all_ready: bool,
    with_settings: bool,
    overridden: tuple[OverridableRule, ...],
    reason: str,
    origin: str,
    pull_request: bool,
    live: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Promote each MODEL: copy its version file from the previous environment.

    Several models are one commit and one pull request, all of them or none; with --all-ready those
    that may be promoted, with the reasons of the others. Capacity is never copied, settings only
    with --with-settings. Refuses to skip an environment, to break a freeze or a window, to promote
    before the soak time is over or without the verification or the replay that an environment asks
    for, and, if a cluster is reachable, to promote a version that is not Healthy or not running in
    the previous environment.

    --override leaves a rule out: order (skip an environment; with --from), soak, health, abort,
    verification, replay or window. It writes the reason into override.yaml, whose owners have to
    approve.

    The pull request lists what changes, the metrics beside the current version's and the metric
    baseline, the rendered diff and a checklist for the reviewer; with --dry-run it is only printed.

    \b
    Examples:
      modelctl promote iris --to staging
      modelctl promote churn fraud --to production --pull-request
      modelctl promote --all-ready --to production --dry-run
      modelctl promote iris --to production --from dev --override order --reason 'outage 17'
    """
    _require_consistent(models, overridden, reason, all_ready=all_ready)
    options = Options(live, with_settings, origin, tuple(sorted(set(overridden))), reason)
    promote.require_published(Repository.find(), models, environment, options)
    with planning_checkout(for_pull_request=pull_request) as repository:
        batch = (
            batches.plan_ready(repository, environment, options)
            if all_ready
            else batches.plan_all(repository, models, environment, options)
        )
        if all_ready and not pull_request:
            ready = [each.model for each in batch.changing]
            promote.require_published(repository, ready, environment, options)
        now = datetime.now(UTC)
        # Without `gh` nothing would use it.
        needs_body = pull_request and bool(batch.changing) and (dry_run or has_gh())
        request = proposal.request(repository, batch, now, live=live, with_body=needs_body)
        display = DisplayOptions(dry_run, output, details={"models": as_json(batch)})
        if output == "table":
            for model, why in batch.refused.items():
                click.echo(f"not ready: {batches.named(model, why)}")
        if all_ready and not batch.promotions and output == "table":
            click.echo(f"no model is ready for {environment}")
            return
        notes = dict.fromkeys(
            note for each in batch.promotions for note in _notes(repository, each, now)
        )
        propose_or_write(
            repository, request, wanted=pull_request, display=display, notes=list(notes)
        )


def _notes(repository: Repository, planned: promote.Promotion, now: datetime) -> list[str]:
    """What to know before promoting, and whether the version was taken back once."""
    notes = planned.notes(now)
    if planned.has_changes:
        target, version = planned.environment, planned.version
        notes += rollback.withdrawal_notes(repository, target, planned.model, version)
    return notes


def as_json(batch: batches.Batch) -> list[dict[str, object]]:
    """One entry for each model, promoted or not."""
    promoted = [
        {
            "model": each.model,
            "environment": each.environment.name,
            "version": each.version.model.version,
            "bundle": each.version.model.digest,
            "from": [source.environment.name for source in each.sources],
            "changes": each.has_changes,
            "override": each.override.rules if each.override else [],
            "refused": "",
        }
        for each in batch.promotions
    ]
    refused = [
        {
            "model": model,
            "environment": batch.environment.name,
            "version": "",
            "bundle": "",
            "from": [],
            "changes": False,
            "override": [],
            "refused": why,
        }
        for model, why in batch.refused.items()
    ]
    return sorted([*promoted, *refused], key=lambda entry: str(entry["model"]))


def _require_consistent(
    models: Sequence[str], overridden: Sequence[str], reason: str, *, all_ready: bool
) -> None:
    """Raise UsageError for options that contradict each other."""
    if bool(models) is all_ready:
        what = "models named together with --all-ready" if all_ready else "no models named"
        raise UsageError(what, expected="either names of models or --all-ready")
    if overridden and all_ready:
        raise UsageError(
            "--override with --all-ready", expected="the names of the models that it is for"
        )
    if bool(overridden) is not bool(reason.strip()):
        raise UsageError(
            "an override needs a rule and a reason",
            expected="--override RULE --reason TEXT",
            found="--override alone" if overridden else "--reason alone",
        )
