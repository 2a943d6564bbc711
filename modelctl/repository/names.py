"""Names of models and of the Applications that Argo CD makes of them.

An Application is called `<environment>-<model>`, so that two pairs may give one name, and a model
may take the name of an environment's own Applications. A name is a label, a Service and a Helm
release at once: the strictest rule counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MODEL = re.compile(r"[a-z]([-a-z0-9]{0,51}[a-z0-9])?")
EXPECTED = "at most 53 of a-z, 0-9 and -, starting with a letter, not ending with -"
# Argo CD's label of the Application on each object, where it tracks by label.
MAX_APPLICATION = 63
# What the argocd/ chart makes for each environment, beside the models.
RESERVED = ("baseline", "namespace")
# Objects of a release that the chart calls <release>-<suffix>; a variant is <release>-<variant>.
SUFFIXES = frozenset(
    (
        *(
            "canary",
            "consumer",
            "headless",
            "jwt",
            "mirror",
            "preview",
            "smoke",
            "stable",
            "test",
            "verdict",
        ),
        *("watch", "waypoint"),
    )
)

# What a release may have any number of, by names of the user's own: `iris-batch-nightly`.
JOBS = ("batch", "training")

Release = tuple[str, str]


def model_violation(model: str) -> str:
    """What is wrong with a model's name by itself; empty if nothing is."""
    if MODEL.fullmatch(model) is None:
        return f"invalid model name '{model}'; expected {EXPECTED}"
    if model in RESERVED:
        return f"the model name '{model}' is that of an Application of each environment"
    return ""


def application_violations(
    environments: Iterable[str], releases: Iterable[Release]
) -> Iterator[tuple[Release, str]]:
    """Each release whose Application would be that of another, or have too long a name."""
    owners = {
        f"{environment}-{part}": f"the {part} of {environment}"
        for environment in environments
        for part in RESERVED
    }
    for environment, model in releases:
        name = f"{environment}-{model}"
        owner = owners.setdefault(name, f"{environment}/{model}")
        if owner != f"{environment}/{model}":
            yield (environment, model), f"its Application {name} is that of {owner} too"
        if len(name) > MAX_APPLICATION:
            problem = f"its Application {name} has {len(name)} characters, at most"
            yield (environment, model), f"{problem} {MAX_APPLICATION} are allowed"


def object_violations(
    releases: Mapping[Release, Iterable[str]],
) -> Iterator[tuple[Release, str, str]]:
    """Each release, or variant of one, whose objects would have names of another's.

    `releases` are those of all environments, each with the names of its variants. Whatever the
    settings: a strategy or a policy that is turned on later would take over the other's objects.
    """
    owners: dict[Release, str] = {}
    for (environment, model), variants in releases.items():
        for variant in ("", *variants):
            title = f"variant {variant} of '{model}'" if variant else f"'{model}'"
            own = claimed(model, variant)
            taken = {name: owners.get((environment, name)) for name in own}
            taken |= {
                name: f"a {kind} of '{release}'"
                for name in own
                for kind, release in job_owners(name)
                if (environment, release) in releases
            }
            for owner in sorted({owner for owner in taken.values() if owner}):
                shared = min(name for name in own if taken[name] == owner)
                yield (environment, model), variant, f"{owner} has objects named {shared} too"
            owners |= {(environment, name): title for name in own if not taken[name]}


def job_owners(name: str) -> Iterator[tuple[str, str]]:
    """Of which kind this may be the name of a Job, and of which release."""
    for found in re.finditer(rf"(?=-({'|'.join(JOBS)})-.)", name):
        yield found[1], name[: found.start()]


def claimed(model: str, variant: str = "") -> list[str]:
    """Every name that the chart may give to an object of a release, or of a variant."""
    workload = f"{model}-{variant}" if variant else model
    return [workload, *(f"{workload}-{suffix}" for suffix in sorted(SUFFIXES))]
