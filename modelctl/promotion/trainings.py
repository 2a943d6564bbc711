"""The trainings whose results a workflow proposes, as its matrix: `make planned-trainings`.

    python -m modelctl.promotion.trainings

They stand in environments.yaml. Reads nothing but files; `modelctl bump --from` does the work.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from modelctl.errors import ModelctlError
from modelctl.repository.checkout import Repository
from modelctl.repository.environments import FILE

if TYPE_CHECKING:
    from modelctl.repository.environments import Environment

# The jobs that GitHub starts of one matrix.
MAX_JOBS = 256


def planned(repository: Repository) -> list[dict[str, str]]:
    """Model, environment and URL of each. Raises ModelctlError, with all that is wrong."""
    found = [
        (environment, model, url)
        for environment in repository.environments
        for model, url in environment.trainings.items()
    ]
    unknown = [
        f"{environment.name}/{model}"
        for environment, model, _ in found
        if not _is_set_up(repository, environment, model)
    ]
    if unknown:
        raise ModelctlError(
            f"`trainings` in {FILE} names models that are not set up",
            expected="models with a settings.yaml in that environment",
            found=", ".join(unknown),
            fix="correct the names, or create them with `modelctl new`",
        )
    if len(found) > MAX_JOBS:
        raise ModelctlError(
            f"{len(found)} trainings in {FILE}",
            expected=f"at most {MAX_JOBS}, the jobs that one run of the workflow may start",
        )
    return [
        {"environment": environment.name, "model": model, "url": url}
        for environment, model, url in found
    ]


def _is_set_up(repository: Repository, environment: Environment, model: str) -> bool:
    return repository.value_file(environment, model, "settings.yaml").is_file()


def main() -> int:
    """Print them as one line of JSON; that there are none, on stderr."""
    try:
        found = planned(Repository.find())
    except ModelctlError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    if not found:
        click.echo(f"nothing to propose: no environment in {FILE} has `trainings`", err=True)
    click.echo(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
