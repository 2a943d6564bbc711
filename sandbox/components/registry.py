"""The registry that the images are pushed to and that the kubelet pulls from, by digest."""

from __future__ import annotations

from sandbox.component import Component, as_json
from sandbox.layout import REGISTRY, Layout
from sandbox.probes import Http

BINARY = "/usr/bin/docker-registry"


def registry(layout: Layout) -> Component:
    """Return Debian's docker-registry, reachable inside the network namespace only."""
    config = layout.config("registry.json")
    return Component(
        name="registry",
        argv=(BINARY, "serve", str(config)),
        files={config: as_json(settings(layout))},
        # It would report to an exporter on localhost that nobody runs.
        env={"OTEL_TRACES_EXPORTER": "none"},
        ready=Http(f"http://{REGISTRY}/v2/"),
    )


def settings(layout: Layout) -> dict[str, object]:
    """Return the registry's configuration; JSON is YAML."""
    return {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            # Lives as long as the git repository, whose every commit names images in it.
            "filesystem": {"rootdirectory": str(layout.cache / "registry")},
            # Kept in memory: nothing but the files has to survive.
            "cache": {"blobdescriptor": "inmemory"},
            # It would walk through the whole storage once a day.
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": REGISTRY},
    }
