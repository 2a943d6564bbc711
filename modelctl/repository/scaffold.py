"""Plan the files of a new model: training code that runs at once, and values for each environment.

The texts are files in `modelctl/templates/`; nothing here knows what they say.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

from modelctl.errors import ModelctlError, RefusedError
from modelctl.repository import edits

if TYPE_CHECKING:
    from modelctl.repository.environments import Repository

# It names a Service, and `<environment>-<model>` an Application.
NAME = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")
TRAINING_FILES = ("train.py", "model.yaml")


def plan(repository: Repository, model: str) -> list[edits.Edit]:
    """Plan every file of a new model. Raises ModelctlError for a bad name or one that is taken."""
    if NAME.fullmatch(model) is None:
        raise ModelctlError(
            f"'{model}' cannot name a model",
            expected="at most 53 of a-z, 0-9 and -, beginning with a letter, not ending with -",
            fix=f"modelctl new {_proposal(model)}",
        )
    training = repository.root / "models" / model
    folders = [training, *(repository.folder(e, model) for e in repository.environments)]
    taken = [str(folder.relative_to(repository.root)) for folder in folders if folder.exists()]
    if taken:
        raise RefusedError(
            f"model '{model}' exists already",
            found=", ".join(taken),
            fix="choose another name; to set an existing model up in one more environment, copy "
            "its folder there (without version.yaml)",
        )
    planned = [edits.Edit(training / name, "", _text(name, model=model)) for name in TRAINING_FILES]
    for environment in repository.environments:
        # Two pods where it matters: the last environment is the one that users see.
        last = environment == repository.environments[-1]
        for name in ("settings.yaml", "capacity.yaml"):
            text = _text(
                name, model=model, environment=environment.name, replicas="2" if last else "1"
            )
            planned.append(edits.Edit(repository.folder(environment, model) / name, "", text))
    return planned


def _text(name: str, **words: str) -> str:
    """A template with its {words} filled in; other braces are code and stay."""
    text = (resources.files("modelctl") / "templates" / f"{name}.txt").read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def _proposal(model: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).lstrip("-0123456789")[:53].rstrip("-")
    return name or "NAME"
