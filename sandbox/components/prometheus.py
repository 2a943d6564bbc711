"""Prometheus, which `make observe` starts: it scrapes pods and evaluates the releases' rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.component import Component, as_json
from sandbox.layout import NODE_IP, PROMETHEUS_PORT, Layout
from sandbox.probes import Http

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "prometheus"
TARGET = f"{NODE_IP}:{PROMETHEUS_PORT}"


def prometheus(
    layout: Layout,
    scrapes: Sequence[dict[str, Any]],
    groups: Sequence[dict[str, Any]],
    *,
    name: str = NAME,
    port: int = PROMETHEUS_PORT,
) -> Component:
    """Return Prometheus with these scrape configurations and groups of rules.

    With another name and port it is a second instance, with its own data.
    """
    config, rules = layout.config(f"{name}.json"), layout.config(f"{name}-rules.json")
    settings = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": [str(rules)],
        "scrape_configs": list(scrapes),
    }
    return Component(
        name=name,
        argv=(
            layout.tool("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={layout.state / name}",
            f"--web.listen-address={NODE_IP}:{port}",
            # Its own pages are built with npm and not part of its Go module; this one is ours.
            f"--web.console.templates={layout.root}/sandbox/console",
            "--log.level=warn",
        ),
        files={config: as_json(settings), rules: as_json({"groups": list(groups)})},
        ready=Http(f"http://{NODE_IP}:{port}/-/ready"),
    )
