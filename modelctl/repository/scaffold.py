"""Plan the files of a new model: working training code, and value files for each environment.

The contents are templates in `modelctl/templates/`.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import edits, names, variants

if TYPE_CHECKING:
    from modelctl.repository.checkout import Repository

TRAINING_FILES = ("train.py", "model.yaml")


def plan(repository: Repository, model: str) -> list[edits.Edit]:
    """Plan every file of a new model. Raises ModelctlError for an invalid or existing name."""
    require_valid_name(repository, model)
    training = repository.root / "models" / model
    # Someone packaged a model of that name by hand; a build would put the template's in its place.
    bundle = repository.root / "build" / "bundles" / model
    folders = [training, *(repository.folder(e, model) for e in repository.environments), bundle]
    existing = [str(folder.relative_to(repository.root)) for folder in folders if folder.exists()]
    if existing:
        raise RefusedError(
            f"model '{model}' already exists",
            found=", ".join(existing),
            fix=f"choose another name; to give that model a folder, `modelctl new {model} --from "
            "FILE --sample FILE`; to add an existing model to another environment, copy its "
            "folder there (without version.yaml)",
        )
    planned = [edits.Edit(training / name, "", _text(name, model=model)) for name in TRAINING_FILES]
    return planned + value_files(repository, model)


def require_valid_name(repository: Repository, model: str) -> None:
    """Raise ModelctlError for a name that Kubernetes would refuse, or that is another's there."""
    if names.MODEL.fullmatch(model) is None:
        raise ModelctlError(
            f"invalid model name '{model}'",
            expected=names.EXPECTED,
            fix=f"modelctl new {_suggestion(model)}",
        )
    environments = [environment.name for environment in repository.environments]
    planned = [(environment, model) for environment in environments]
    releases = [release for release in repository.releases() if release[1] != model]
    found = names.application_violations(environments, [*releases, *planned])
    problems = [problem for (_, name), problem in found if name == model]
    known = variants.of_releases(repository).items()
    theirs = {release: beside for release, beside in known if release[1] != model}
    together = names.object_violations({**theirs, **dict.fromkeys(planned, ())})
    problems += [problem for (_, name), _, problem in together if name == model]
    if problems:
        raise ModelctlError(
            f"the model name '{model}' cannot be used",
            found="; ".join(problems),
            fix="choose another name",
        )


def value_files(repository: Repository, model: str) -> list[edits.Edit]:
    """Plan the value files of a model in each environment that has none of it."""
    planned = []
    for environment in repository.environments:
        if repository.folder(environment, model).exists():
            continue
        # Two replicas in the last environment, which serves users.
        last = environment == repository.environments[-1]
        for name in ("settings.yaml", "capacity.yaml"):
            text = _text(
                name, model=model, environment=environment.name, replicas="2" if last else "1"
            )
            planned.append(edits.Edit(repository.folder(environment, model) / name, "", text))
    return planned


def _text(name: str, **values: str) -> str:
    """A template with its {names} replaced; other braces are code and stay."""
    text = (resources.files("modelctl") / "templates" / f"{name}.txt").read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def _suggestion(model: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).lstrip("-0123456789")[:53].rstrip("-")
    return name or "NAME"
