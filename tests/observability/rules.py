"""The rules of a release as the chart renders them: what every test here is about."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tests import rendering

if TYPE_CHECKING:
    from pathlib import Path

RELEASE, NAMESPACE = "iris", "ml-dev"
RUNBOOKS = "https://git.example/runbooks"
# A batch every night: its alerts are rendered for a release that has one.
BATCH = {
    "schedule": "@daily",
    "inputs": {"a": "s3://a"},
    "out": "s3://b",
    "egress": {"a": {"ports": [{"port": 443}]}},
}
# Likewise a training every week.
TRAINING = {
    "schedule": "@weekly",
    "out": "s3://b",
    "image": {"repository": "a", "digest": f"sha256:{'e' * 64}"},
    "egress": {"a": {"ports": [{"port": 443}]}},
}
# Likewise the consumer of a queue.
CONSUMER = {"enabled": True, "queue": {"url": "nats://nats.messaging"}}
# Likewise a cache that its workers share.
CACHE = {"enabled": True, "modelMs": 20, "redis": {"url": "redis://redis.cache"}}
Group = dict[str, Any]


class Key(NamedTuple):
    """What tells one alerting rule from another: one alert may have several."""

    alert: str
    severity: str
    burn: str = ""


@functools.cache
def groups(strategy: str = "rolling") -> tuple[Group, ...]:
    """The groups of a release: other objects tell of it if a Rollout runs its pods."""
    arguments = [
        *rendering.values(rendering.CHART / "tests" / "values" / "minimal.yaml"),
        *("--show-only", "templates/prometheusrule.yaml"),
        *("--set", "metrics.rules.enabled=true"),
        *("--set", f"metrics.rules.runbookUrl={RUNBOOKS}"),
        *("--set", f"rollout.strategy={strategy}"),
        *("--set-json", f"batch.nightly={json.dumps(BATCH)}"),
        *("--set-json", f"training.weekly={json.dumps(TRAINING)}"),
        *("--set-json", f"consumer={json.dumps(CONSUMER)}"),
        *("--set-json", f"cache={json.dumps(CACHE)}"),
    ]
    manifests = rendering.template("helm4", rendering.CHART, RELEASE, NAMESPACE, *arguments)
    return tuple(rendering.only(manifests, "PrometheusRule")["spec"]["groups"])


def alerts(strategy: str = "rolling") -> dict[Key, dict[str, Any]]:
    """Every alerting rule."""
    rules = [rule for group in groups(strategy) for rule in group["rules"] if "alert" in rule]
    return {
        Key(rule["alert"], rule["labels"]["severity"], rule["labels"].get("burn", "")): rule
        for rule in rules
    }


def alerts_of_rollouts() -> dict[Key, dict[str, Any]]:
    """Those that only a Rollout has, or that look at other series for one."""
    known = alerts()
    return {key: rule for key, rule in alerts("canary").items() if known.get(key) != rule}


def needed_for(alert: str, strategy: str = "rolling") -> list[Group]:
    """The groups of an alert and of everything that it reads, in their order."""
    wanted = {alert}
    chosen: list[Group] = []
    for group in reversed(groups(strategy)):
        made = {rule.get("alert") or rule["record"] for rule in group["rules"]}
        if made & wanted:
            chosen.insert(0, group)
            wanted.update(
                *(re.findall(r"ml:\w+(?::\w+)?", rule["expr"]) for rule in group["rules"])
            )
    return chosen


def write(file: Path, content: object) -> Path:
    """Write a file that promtool or Prometheus reads."""
    file.write_text(yaml.safe_dump(content, sort_keys=False, width=10_000), encoding="utf-8")
    return file
