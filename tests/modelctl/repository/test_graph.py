"""The order of promotion: `after` in environments.yaml, checked against graphlib."""

from __future__ import annotations

import graphlib
import random
from pathlib import Path

import pytest

from modelctl.errors import ModelctlError
from modelctl.repository import graph
from modelctl.repository.checkout import Repository
from tests.modelctl.conftest import ENVIRONMENTS


def write(repo: Path, **after: str) -> Repository:
    """The three environments with `after` in some of them."""
    lines = []
    for line in ENVIRONMENTS.splitlines():
        lines.append(line)
        name = line.removeprefix("  - name: ")
        if name in after:
            lines.append(f"    after: {after[name]}")
    path = repo / "environments/environments.yaml"
    path.write_text("\n".join(lines) + "\n")
    return Repository.find(repo)


def names(repository: Repository, name: str) -> tuple[list[str], list[str]]:
    environment = repository.environment(name)
    before, after = repository.previous(environment), repository.after(environment)
    return [each.name for each in before], [each.name for each in after]


def test_without_after_the_list_is_the_order(repo: Path) -> None:
    repository = Repository.find(repo)
    assert names(repository, "dev") == ([], ["staging", "production"])
    assert names(repository, "staging") == (["dev"], ["production"])
    assert names(repository, "production") == (["staging"], [])


def test_two_environments_may_follow_one(repo: Path) -> None:
    repository = write(repo, production="[dev]")
    assert names(repository, "dev") == ([], ["staging", "production"])
    assert names(repository, "staging") == (["dev"], [])
    assert names(repository, "production") == (["dev"], [])


def test_an_environment_may_follow_several(repo: Path) -> None:
    repository = write(repo, production="[staging, dev]")
    assert names(repository, "production") == (["staging", "dev"], [])
    assert repository.is_first(repository.environment("dev"))
    assert not repository.is_first(repository.environment("production"))


@pytest.mark.parametrize(
    ("after", "line", "message"),
    [
        ({"staging": "[staging]"}, 8, "'staging' cannot come after itself"),
        ({"staging": "[prod]"}, 8, "unknown environment 'prod': expected one of dev, staging, pro"),
        ({"staging": "[]"}, 8, "'staging' comes after no environment"),
        ({"production": "[dev, staging, dev]"}, 12, "'dev' is named twice"),
        ({"staging": "[production]", "production": "[dev]"}, 8, "'production' is listed below"),
        ({"staging": "[production]"}, 8, "a cycle: 'staging' comes after 'production', which"),
        ({"dev": "[production]"}, 4, "'dev' is the first environment, which takes new builds"),
        ({"staging": "dev"}, 8, "valid list"),
    ],
)
def test_an_impossible_order_is_refused_with_its_line(
    repo: Path, after: dict[str, str], line: int, message: str
) -> None:
    with pytest.raises(ModelctlError) as refused:
        write(repo, **after)
    assert f"environments.yaml:{line}: environments." in str(refused.value)
    assert message in str(refused.value)


def test_random_graphs_are_accepted_as_graphlib_would_order_them() -> None:
    """Refused exactly if something is unknown, listed later or a second root."""
    accepted = 0
    for seed in range(500):
        chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
        all_names = [f"e{number}" for number in range(chance.randint(1, 6))]
        entries = [
            (
                name,
                None
                if chance.random() < 0.3
                else chance.sample(
                    all_names if chance.random() < 0.2 else all_names[:index],
                    k=min(chance.randint(0, 2), index),
                ),
            )
            for index, name in enumerate(all_names)
        ]
        before = graph.previous(entries)
        problems = list(graph.problems(entries))
        roots = [name for name in all_names if not before[name]]
        is_ordered = all(
            all_names.index(other) < all_names.index(name)
            for name, others in before.items()
            for other in others
        )
        assert (problems == []) is (roots == all_names[:1] and is_ordered), (entries, problems)
        try:
            order = list(graphlib.TopologicalSorter(before).static_order())
        except graphlib.CycleError:
            assert any("cycle" in text or "itself" in text for _, text in problems)
            continue
        assert not any("cycle" in text for _, text in problems)
        if problems:
            continue
        accepted += 1
        # What graphlib puts before a name is what `following` leaves out of its answer.
        for name in all_names:
            later = graph.following(before, name)
            ancestors: dict[str, set[str]] = {}
            for one in order:
                ancestors[one] = {a for other in before[one] for a in (other, *ancestors[other])}
            assert later == [other for other in all_names if name in ancestors[other]]
    assert accepted > 100
