"""What of one release can change another one in the same namespace, which may be frozen.

The chart names every object after its release, but some values name objects, hosts or routes
freely, and labels and annotations are what other objects and controllers go by. A test renders the
chart with Helm to find out which values these are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.repository import placement, strict_yaml
from modelctl.repository.checkout import VALUE_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from modelctl.repository.placement import Keys

# Values that name objects or routes, at the top of the chart's values.
NAMING = (
    "externalSecrets",
    "extraObjects",
    "fullnameOverride",
    "grpcRoute",
    "httpRoute",
    "ingress",
    "serviceAccount",
)
ATTACHED = ("annotations", "labels")  # the end of a key at any depth, as in `commonLabels`

Reach = dict["Keys", Any]


def of_release(text_of: Callable[[str], str | None], folder: str) -> Reach | None:
    """The values of a release that can change others; None if the model is not released.

    `folder` has its value files, and `text_of` gives the text of a file.
    """
    if text_of(f"{folder}/version.yaml") is None:
        return None
    reach: Reach = {}
    for name in VALUE_FILES:
        try:
            content = strict_yaml.parse(text_of(f"{folder}/{name}") or "", Path(name)).content
        except ModelctlError:  # the structural checks report it, or the target has it already
            continue
        for keys in placement.leaves(content):
            if is_reaching(keys):
                reach[keys] = _value(content, keys)
    return reach


def is_reaching(keys: Keys) -> bool:
    """Whether a value can name or select what belongs to another release."""
    return keys[0] in NAMING or any(key.lower().endswith(ATTACHED) for key in keys)


def violations(
    model: str, before: Reach | None, after: Reach | None, frozen: Mapping[str, Reach]
) -> Iterator[str]:
    """Why a change of `model` may not pass while other models of its namespace are frozen.

    `frozen` has what these name. A release that leaves takes only its own objects along.
    """
    if after is None:
        return
    unequal = {keys for keys in {*after, *(before or {})} if _differs(before, after, keys)}
    if unequal:
        names = ", ".join(sorted({".".join(keys[:2]) for keys in unequal}))
        yield f"{names} of '{model}' can change objects of other models in the namespace"
    if before is None:
        for other, reach in frozen.items():
            if name := next(filter(lambda name: _overlap(name, model), _names(other, reach)), ""):
                yield f"the new release '{model}' can have objects of the same name as '{name}'"


def _names(model: str, reach: Reach) -> Iterator[str]:
    yield model
    yield from (value for value in reach.values() if isinstance(value, str))


def _overlap(one: str, other: str) -> bool:
    """Whether a suffix of one name gives the other: `iris-headless` is an object of `iris` too."""
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")


def _differs(before: Reach | None, after: Reach, keys: Keys) -> bool:
    missing = object()
    return bool((before or {}).get(keys, missing) != after.get(keys, missing))


def _value(content: dict[str, Any], keys: Keys) -> Any:
    node: Any = content
    for key in keys:
        node = node[key]
    return node
