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
        # Else it reports to an exporter on localhost, which does not exist.
        env={"OTEL_TRACES_EXPORTER": "none"},
        ready=Http(f"http://{REGISTRY}/v2/"),
    )


def settings(layout: Layout) -> dict[str, object]:
    """Return the registry's configuration; JSON is YAML."""
    return {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            # Kept as long as the git repository, whose commits refer to these images.
            "filesystem": {"rootdirectory": str(layout.cache / "registry")},
            # In memory: only the files have to survive.
            "cache": {"blobdescriptor": "inmemory"},
            # Else it scans the whole storage once a day.
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": REGISTRY},
    }
