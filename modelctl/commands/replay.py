"""`modelctl replay`: ask captured requests again, and compare the answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from modelctl.commands import _result, _table
from modelctl.commands._options import (
    FiniteRange,
    complete_environments,
    complete_models,
    output_option,
)
from modelctl.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from modelctl.delivery.agreement import Agreement
    from modelctl.delivery.replay import Pairs

SHARE = FiniteRange(0, 1)
TOLERANCE = 1e-6


@click.command()
@click.argument("model", default="", shell_complete=complete_models)
@click.option(
    "--env",
    "environment",
    default="",
    help="Environment whose limits apply, with MODEL",
    shell_complete=complete_environments,
)
@click.option(
    "--capture",
    "paths",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    help="File or folder of captured rows (CAPTURE_RATIO); may be repeated",
)
@click.option("--candidate", default="", metavar="BUNDLE|URL", help="Version to ask again")
@click.option(
    "--against",
    "others",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Captured rows of a shadow instead, joined by x-request-id; may be repeated",
)
@click.option("--max-changed", type=SHARE, help="Exit code 3 above this share of changed answers")
@click.option("--max-psi", type=FiniteRange(0), help="Exit code 3 above this PSI")
@click.option(
    "--max-refused",
    type=SHARE,
    help="Exit code 3 above this share of refused rows; 0 beside another limit",
)
@click.option(
    "--max-left-out",
    type=SHARE,
    help="Exit code 3 above this share of rows without a feature of the candidate, or without "
    "their prediction; 0 beside another limit",
)
@click.option(
    "--tolerance",
    type=FiniteRange(0),
    show_default=str(TOLERANCE),
    help="Difference up to which two numbers are the same answer, relative above 1",
)
@click.option(
    "--min-slice",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Minimum number of rows of a slice",
)
@click.option("--record", is_flag=True, help="Record as a tag, pushed to `origin` if there is one")
@output_option
def command(
    model: str,
    environment: str,
    paths: tuple[Path, ...],
    candidate: str,
    others: tuple[Path, ...],
    max_changed: float | None,
    max_psi: float | None,
    max_refused: float | None,
    max_left_out: float | None,
    tolerance: float | None,
    min_slice: int,
    record: bool,
    output: str,
) -> None:
    """Compare the answers of a candidate with those that were captured, row by row.

    Asks every captured row again, in this process for a bundle, over HTTP for a URL. Prints the
    share of changed answers, the population stability index (PSI) of the predictions, the slices
    that change most, and what the candidate refuses. With --against nothing is asked: the rows
    that a shadow captured are joined with those of the primary.

    With MODEL and --env only rows count that the release there answered, and the limits are those
    of `replay` in environments.yaml. With --record the result is the tag
    replayed/ENVIRONMENT/MODEL/..., which promotions to that environment require.

    \b
    Examples:
      modelctl replay --capture captured/ --candidate build/bundles/iris --max-changed 0.02
      modelctl replay --capture primary/ --against shadow/ --max-psi 0.1
      modelctl replay iris --env production --capture captured/ --candidate build/bundles/iris \\
        --record
    """
    from modelctl.delivery import agreement
    from modelctl.promotion import replay_record

    if bool(candidate) == bool(others):
        raise click.UsageError("pass either --candidate or --against")
    given = {
        "--max-changed": max_changed,
        "--max-psi": max_psi,
        "--max-refused": max_refused,
        "--max-left-out": max_left_out,
    }
    _require_consistent(model, environment, {**given, "--tolerance": tolerance}, record=record)
    release = replay_record.release(model, environment) if model else None
    if tolerance is None:
        tolerance = release.limits.tolerance if release else TOLERANCE
    pairs = _pairs(paths, candidate, others, release.baseline if release else "")
    found = agreement.compare(pairs, tolerance=tolerance, min_slice=min_slice)
    violations = (
        release.violations(pairs, found, tolerance)
        if release
        else agreement.Limits(*given.values()).violations(found)
    )
    if output == "table":
        _print(found)
    tag = release.record(pairs, found, tolerance) if release and record and not violations else ""
    if output == "json":
        _result.echo(output, "", {**found.as_dict(), "violations": violations, "tag": tag})
    elif tag:
        click.echo(f"recorded as tag {tag}")
    if violations:
        raise RefusedError("\n".join(violations), fix="look at the slices that change most")


def _require_consistent(
    model: str, environment: str, given: dict[str, float | None], *, record: bool
) -> None:
    """Raise UsageError for options that contradict each other."""
    if bool(model) is not bool(environment) or (record and not model):
        raise UsageError(
            "limits of an environment need both MODEL and --env",
            found=" and ".join(
                words
                for words, is_given in (
                    (model, model),
                    (f"--env {environment}", environment),
                    ("--record", record),
                )
                if is_given
            ),
        )
    loose = [name for name, value in given.items() if value is not None]
    if model and loose:
        raise UsageError(
            f"{' and '.join(loose)} beside the limits of '{environment}'",
            expected="`replay` in environments.yaml alone",
            fix="leave it out, or leave out MODEL and --env",
        )


def _pairs(
    paths: tuple[Path, ...], candidate: str, others: tuple[Path, ...], baseline: str
) -> Pairs:
    from modelctl.delivery import replay
    from modelctl.packaging.bundles import verify_bundle
    from modelctl.service.client import Client

    if others:
        return replay.of_mirror(paths, others, baseline)
    if "://" in candidate:
        with Client(candidate) as client:
            return replay.of_candidate(paths, replay.asking_service(client), baseline)
    asked = replay.asking_bundle(verify_bundle(Path(candidate)))
    return replay.of_candidate(paths, asked, baseline)


def _print(found: Agreement) -> None:
    console = _table.console()
    answered = found.rows - found.refused
    click.echo(f"{found.rows:,} rows compared, captured from {', '.join(found.digests)}")
    for reason, rows in found.skipped.items():
        click.echo(f"left out {rows:,} rows {reason}")
    click.echo(f"changed answers: {found.changed:,} of {answered:,} ({found.changed_ratio:.2%})")
    if found.max_difference is not None:
        click.echo(
            f"difference: at most {found.max_difference:.4g}, mean {found.mean_difference:.4g}"
        )
    for name, index in found.psi.items():
        click.echo(f"PSI of the predictions{f' of {name}' if name else ''}: {index:.3f}")
    if found.refused:
        click.echo(f"refused by the candidate: {found.refused:,} ({found.refused_ratio:.2%})")
    for reason, rows in found.refusals:
        console.print(f"  {rows:,}: {reason}", soft_wrap=True)
    for before, after, rows in found.transitions:
        console.print(f"  {before} → {after}: {rows:,}", soft_wrap=True)
    if found.slices and (found.changed or found.max_difference):
        is_numeric = found.max_difference is not None
        columns = ["slices that change most", "rows", "changed"]
        columns += ["mean difference"] if is_numeric else []
        table = _table.table(*columns[:-1], last=columns[-1])
        for each in found.slices:
            cells = (f"{each.feature}: {each.value}", f"{each.rows:,}", f"{each.changed:.1%}")
            table.add_row(*cells, *([f"{each.score:.4g}"] if is_numeric else []))
        console.print(table)
