"""The chart and the application agree on the environment variables between them."""

from __future__ import annotations

import dataclasses
import re

from app.gunicorn_conf import MARGIN_SECONDS
from app.settings import Settings
from tests import rendering

# Read by libraries, not by the application's settings.
OF_LIBRARIES = {"ORT_DISABLE_TELEMETRY"}
# A default that the image is right about.
OF_THE_IMAGE = {"HOST"}
# Few users' wish, each with its how-to: set by `env`.
BY_ENV = {
    "CAPTURE_DIR",
    "CAPTURE_EXCLUDE",
    "CAPTURE_MAX_AGE_HOURS",
    "CAPTURE_MAX_BYTES",
    "CAPTURE_RATIO",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_SERVICE_NAME",
    "TRACE_SAMPLE_RATIO",
}


def variables(arguments: list[str]) -> dict[str, str | None]:
    """Name and plain value (None for a reference) of everything the model's container gets."""
    manifests = rendering.template("helm4", rendering.CHART, "iris", "ml-dev", *arguments)
    spec = rendering.only(manifests, "Deployment")["spec"]["template"]["spec"]
    data: dict[str, str | None] = dict(rendering.only(manifests, "ConfigMap")["data"])
    data.update({entry["name"]: entry.get("value") for entry in spec["containers"][0]["env"]})
    return data


CACHE = (
    "cache.enabled=true,cache.redis.url=rediss://redis.cache,cache.credentials.secretName=a"
    ",cache.credentials.user=u,cache.credentials.password=p,cache.credentials.secret=s"
    ",cache.credentials.ca=c,cache.credentials.certificate=d,cache.credentials.key=k"
)
EVERYTHING = ["--set", f"workers=2,metrics.ownPort=true,resources.limits.cpu=2,{CACHE}"]


def test_every_variable_of_the_chart_is_read_by_the_application(minimal: list[str]) -> None:
    known = {field.metadata["name"] for field in dataclasses.fields(Settings)}
    assert variables(minimal + EVERYTHING).keys() - OF_LIBRARIES == known - OF_THE_IMAGE - BY_ENV


def test_application_starts_with_the_charts_defaults_and_they_are_its_own(
    minimal: list[str],
) -> None:
    given = {name: value for name, value in variables(minimal).items() if value is not None}
    settings = Settings.from_environ(given)
    assert settings.model_digest == "sha256:" + "b" * 64
    changed = {"model_digest", "metrics_folder"}
    defaults = dataclasses.asdict(Settings())
    assert {
        name
        for name, value in dataclasses.asdict(settings).items()
        if name not in changed and value != defaults[name]
    } == set()


def test_chart_and_application_agree_on_the_seconds_a_worker_needs_to_end(
    minimal: list[str],
) -> None:
    """gunicorn kills a worker that long after its time to finish; the pod has to outlive that."""
    result = rendering.try_template(
        *("helm4", rendering.CHART, "iris", "ml-dev"),
        *(*minimal, "--set", "shutdown.gracePeriodSeconds=1"),
    )
    found = re.search(r"graceful 20 \+ (\d+) for the server to exit\)", result.stderr)
    assert found, result.stderr
    assert int(found[1]) == MARGIN_SECONDS
