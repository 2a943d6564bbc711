"""Variants behind a real Envoy Gateway: each user in one arm, and shadows that cost nobody a thing.

Which version has answered is what the pod says of itself; which arm that has to be is computed by
`modelctl`, and how far a share may be off by scipy.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from scipy.stats import binom

from sandbox import gateway as envoy_gateway
from sandbox.bundles import run_modelctl
from sandbox.proc import run
from tests.modelctl.delivery import experiment_files

from . import session
from .ad_hoc import AdHoc, AdHocReleases
from .calls import require_same
from .gateways import Answers, Gateway, Shadow, Version, built_forest, routed
from .loop import Loop, eventually, measured

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

HOST = "ab.example"
BY_HEADER = "--header=x-user-id"
SHARE, GROWN = 30, 50
# Of all ways to send one: as long, as odd and as alike as clients do.
USERS = [f"user-{number}" for number in range(7996)] + ["User-1", "müller", "a b", "x" * 300]
# Of a thousand users each.
MEANWHILE_ROUNDS = 4
# So rarely a share of a fair gateway is further off.
CHANCE = 1e-6
EXPERIMENT = {
    **experiment_files.CONTENT,
    "arms": {"primary": 100 - SHARE, "forest": SHARE},
    "metrics": [experiment_files.metric(minimumEffect=0.05, baseline=0.3)],
}


@pytest.fixture(scope="module")
def gateway(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Envoy Gateway as `make gateway` starts it."""
    started = time.monotonic()
    ours = session.make_definitions(loop, "gateway", "")
    measured("make gateway", time.monotonic() - started, 60)
    yield Gateway.found(loop, tmp_path_factory.mktemp("gateway"))
    envoy_gateway.stop(loop.layout)
    loop.kubectl("delete", "crd", *ours)


@pytest.fixture(scope="module")
def forest(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """A random forest for the same rows."""
    return built_forest(loop, tmp_path_factory.mktemp("forest"))


@pytest.fixture(scope="module")
def release(gateway: Gateway, forest: Version, ad_hoc: AdHocReleases) -> Iterator[AdHoc]:
    """An A/B test by a header. Three pods to one: a share has nothing to do with their number."""
    values = {
        "replicaCount": 3,
        "variants": {"forest": {**forest.values, "share": SHARE}},
        **routed(HOST, header="x-user-id"),
    }
    with ad_hoc.installed("ab", values) as installed:
        measured("a new route with arms is served", gateway.wait_routed(HOST), 10)
        yield installed


@pytest.fixture(scope="module")
def served(gateway: Gateway, release: AdHoc, forest: Version, sample: Path) -> dict[str, str]:
    """The arm that answered each user."""
    return arms(gateway.population(HOST, sample, USERS, BY_HEADER), forest)


def arms(answers: Answers, forest: Version) -> dict[str, str]:
    """The arm of each unit; every one was answered, and by one version alone."""
    assert not answers.failures, answers.failures[:5]
    found = answers.by_unit()
    assert all(len(versions) == 1 for versions in found.values())
    assert len({version for versions in found.values() for version in versions}) == 2
    return {u: "forest" if v == {forest.name} else "primary" for u, v in found.items()}


def require_share(found: dict[str, str], percent: int) -> None:
    """The units in the variant are as many as chance allows."""
    count = list(found.values()).count("forest")
    low, high = binom.interval(1 - CHANCE, len(found), percent / 100)
    print(f"\n    {count} of {len(found)} in forest: {percent} % is {low:.0f} to {high:.0f}")
    assert low <= count <= high


def modelctl(loop: Loop, folder: Path, share: int, *words: str | Path) -> Any:
    """What `modelctl experiment` says, as JSON, in a checkout with that experiment."""
    shutil.copytree(loop.found / "environments", folder / "environments")
    content = {**EXPERIMENT, "arms": {"primary": 100 - share, "forest": share}}
    file = folder / "environments/dev/iris/experiment.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    identity = ("-c", "user.name=You", "-c", "user.email=you@example.org")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Start"]):
        run(["git", *identity, *command], cwd=folder)
    where = ("--env", "dev", "--output", "json")
    argv = ("experiment", words[0], "iris", *where, *words[1:])
    result = run_modelctl(loop.layout, folder, *argv, code=loop.layout.root)
    return json.loads(result.stdout)


def asked_meanwhile(
    work: Callable[[], object], ask: Callable[[Collection[str]], Answers]
) -> Answers:
    """Every answer to users who ask all the time while that is done, none of which failed."""
    every = Answers([], [], [])
    rounds = 0
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        # A while longer, because a gateway learns of what is done afterwards.
        while not working.done() or rounds < MEANWHILE_ROUNDS:
            answers = ask(USERS[rounds * 1000 % len(USERS) :][:1000])
            every.versions += answers.versions
            every.failures += answers.failures
            rounds += 1
        working.result()
    assert not every.failures, every.failures[:5]
    print(f"\n    {len(every.versions)} requests meanwhile, 0 failed", flush=True)
    return every


def test_the_share_of_a_variant_is_one_of_users_and_not_of_pods(served: dict[str, str]) -> None:
    assert len(served) == len(USERS)
    require_share(served, SHARE)


def test_the_arm_of_every_user_is_computed_offline(
    loop: Loop, served: dict[str, str], tmp_path: Path
) -> None:
    computed = modelctl(loop, tmp_path, SHARE, "assign", "--", *USERS)
    wrong = {unit for unit in USERS if computed[unit] != served[unit]}
    assert not wrong, f"{len(wrong)} of {len(USERS)}: {sorted(wrong)[:5]}"


def test_outcomes_of_the_served_arms_are_analysed(
    loop: Loop, served: dict[str, str], tmp_path: Path
) -> None:
    chances, draw = {"primary": 0.3, "forest": 0.4}, random.Random(1)  # noqa: S311 - outcomes, no secrets
    with (tmp_path / "outcomes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["unit", "arm", "accepted"])
        for unit, arm in served.items():
            writer.writerow([unit, arm, int(draw.random() < chances[arm])])
    words = ("--outcomes", tmp_path / "outcomes.csv", "--at", "2026-11-16")
    found = modelctl(loop, tmp_path, SHARE, "analyze", *words)
    assert found["decisions"] == {"forest": "promote"}, found
    counted = {arm: list(served.values()).count(arm) for arm in ("primary", "forest")}
    assert found["units"] == counted


def test_users_keep_their_arm_while_the_pods_of_both_restart(
    gateway: Gateway, release: AdHoc, forest: Version, served: dict[str, str], sample: Path
) -> None:
    before = set(release.pods())

    def restart() -> None:
        names = [f"deployment/{release.model}", f"deployment/{release.model}-forest"]
        release.kubectl("rollout", "restart", *names)
        for name in names:
            release.kubectl("rollout", "status", name, "--timeout=100s")

    answers = asked_meanwhile(
        restart, lambda units: gateway.population(HOST, sample, units, BY_HEADER)
    )
    assert not before & set(release.ready_pods())
    for unit, arm in arms(answers, forest).items():
        assert arm == served[unit], unit


def test_a_share_that_grows_keeps_the_users_it_has(
    loop: Loop,
    gateway: Gateway,
    release: AdHoc,
    forest: Version,
    served: dict[str, str],
    sample: Path,
    tmp_path: Path,
) -> None:
    def ask(units: Collection[str]) -> Answers:
        return gateway.population(HOST, sample, units, BY_HEADER)

    during = asked_meanwhile(
        lambda: release.upgrade({"variants": {"forest": {"share": GROWN}}}), ask
    )
    later = arms(ask(USERS), forest)
    require_share(later, GROWN)
    assert modelctl(loop, tmp_path, GROWN, "assign", "--", *USERS) == later
    for unit, arm in served.items():
        assert later[unit] == "forest" or arm == "primary", unit
    for unit, version in during.versions:
        assert ("forest" if version == forest.name else "primary") in {served[unit], later[unit]}


def test_a_cookie_keeps_its_arm_and_new_clients_get_one(
    loop: Loop,
    gateway: Gateway,
    forest: Version,
    ad_hoc: AdHocReleases,
    sample: Path,
    tmp_path: Path,
) -> None:
    host, by_cookie = "cookie.example", "--cookie=uid"
    values = {
        "replicaCount": 2,
        "variants": {"forest": {**forest.values, "share": SHARE}},
        **routed(host, cookie="uid", cookieTtlHours=720),
    }
    units = [f"{number:x}" for number in range(2000)]
    with ad_hoc.installed("cookies", values):
        gateway.wait_routed(host)
        found = arms(gateway.population(host, sample, units, by_cookie), forest)
        require_share(found, SHARE)
        assert modelctl(loop, tmp_path / "known", SHARE, "assign", "--", *units) == found
        # The first answer is by chance: Envoy chooses the arm before it makes a cookie. Each on a
        # connection of its own, from which it makes it.
        cookies = [
            cookie
            for _ in range(40)
            for cookie in gateway.population(host, sample, [""], by_cookie).cookies
        ]
        assert len({*cookies, ""}) == 41
        later = arms(gateway.population(host, sample, cookies, by_cookie), forest)
        assert modelctl(loop, tmp_path / "given", SHARE, "assign", "--", *cookies) == later


def test_a_shadow_that_dies_or_hangs_costs_no_request(
    loop: Loop, gateway: Gateway, forest: Version, ad_hoc: AdHocReleases, sample: Path
) -> None:
    host, stopped_seconds = "shadow.example", 8
    values = {
        "replicaCount": 2,
        "variants": {"next": {**forest.values, "mirror": {"percent": 100}}},
        **routed(host),
    }
    load = (f"--url=http://{host}/predict", "--connections=2", "--pause=0.01")
    with ad_hoc.installed("shadowed", values) as release:
        gateway.wait_routed(host)
        shadow = Shadow(release, "next")
        shadow.wait_ready()
        with loop.probing(gateway, sample, *load) as well:
            time.sleep(stopped_seconds)
        # Every request was copied, and each was answered by the release.
        assert well["failed"] == 0, well
        assert forest.name not in well["versions"]
        eventually("copies", lambda: ((c := shadow.copies()) == well["requests"], c), 10)
        with loop.probing(gateway, sample, *load) as hanging:
            assert shadow.signal(signal.SIGSTOP)
            assert shadow.ask(3) == 0
            time.sleep(stopped_seconds)
            shadow.signal(signal.SIGCONT)
            shadow.wait_ready()
        with loop.probing(gateway, sample, *load) as dying:
            assert shadow.signal(signal.SIGKILL)
            time.sleep(2)
            release.kubectl(
                "delete", "pod", shadow.pod()["metadata"]["name"], "--force", "--grace-period=0"
            )
            time.sleep(2)
            shadow.wait_ready()
    for report in (hanging, dying):
        assert report["failed"] == 0, report
        assert set(report["versions"]) == set(well["versions"]), report
        # A request that waited for the shadow would have taken as long as it hung.
        assert report["slowest_seconds"] < stopped_seconds / 2, report
        assert report["p99_seconds"] < 1, (well, report)


def test_a_call_of_grpc_gets_what_http_gets(
    gateway: Gateway, ad_hoc: AdHocReleases, sample: Path
) -> None:
    """A GRPCRoute with a host of its own, beside the HTTPRoute at the same listener."""
    host, called = "both.example", "grpc.both.example"
    parents = {envoy_gateway.GATEWAY: {"namespace": envoy_gateway.GATEWAYS}}
    values = {
        **routed(host),
        "grpc": {"enabled": True},
        "grpcRoute": {"enabled": True, "parents": parents, "hostnames": [called]},
    }
    with ad_hoc.installed("both", values) as release:
        gateway.wait_routed(host)
        by_http = gateway.predict(host, sample.read_bytes())
        address = f"{gateway.address}:{envoy_gateway.PORT}"
        require_same(gateway.loop, address, called, sample, by_http)
        (parent,) = release.get("grpcroute")["status"]["parents"]
        conditions = {item["type"]: item["status"] for item in parent["conditions"]}
        assert conditions == {"Accepted": "True", "ResolvedRefs": "True"}
