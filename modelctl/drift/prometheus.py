"""A release's feature and prediction counts from Prometheus.

Selects series like the chart's recording rules (templates/_rules.tpl): by namespace and job, and by
the digest that each pod serves, so that a rollout does not mix the bins of two models.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from modelctl.errors import ModelctlError

if TYPE_CHECKING:
    from datetime import datetime

    Labels = dict[str, str]

TIMEOUT_SECONDS = 60.0
DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")


@dataclass(frozen=True)
class Counts:
    """Rows by feature and bin, and by prediction, over a window."""

    features: dict[str, dict[str, float]]
    predictions: dict[str, float]
    release: str
    # Digests that pods of the release served in the window.
    digests: tuple[str, ...]


class Prometheus:
    """The query API of one Prometheus, at one point in time."""

    def __init__(self, url: str, at: datetime | None = None) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ModelctlError(
                f"invalid --prometheus: {url}",
                expected="an http or https URL, such as http://127.0.0.1:9090",
            )
        self._url = url.rstrip("/")
        self._at = at

    def query(self, expression: str) -> list[tuple[Labels, float]]:
        """Each series of an instant query with its value. Raises ModelctlError."""
        fields = {"query": expression}
        if self._at is not None:
            fields["time"] = repr(self._at.timestamp())
        body = urlencode(fields).encode()
        request = Request(f"{self._url}/api/v1/query", data=body)  # noqa: S310 - checked above
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                document = json.load(answer)
        except HTTPError as error:
            raise self._failed(_reason(error.read())) from error
        except (URLError, OSError, ValueError) as error:
            raise self._failed(str(getattr(error, "reason", error))) from error
        try:
            return [(one["metric"], float(one["value"][1])) for one in document["data"]["result"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._failed(f"unexpected response: {str(document)[:200]}") from error

    def counts(self, model: str, digest: str, namespace: str, release: str, window: str) -> Counts:
        """The counts of the pods with this digest in the window. Raises ModelctlError."""
        if not DURATION.fullmatch(window):
            raise ModelctlError(
                f"invalid --window: {window}", expected="a duration such as 1h, 6h or 1d"
            )
        release = release or self._release(model, namespace, window)
        ours = f"namespace={_quoted(namespace)},job=~{_job(namespace, release)}"
        digests = self.query(f"max by (digest) (max_over_time(ml_model_info{{{ours}}}[{window}]))")
        with_digest = (
            f"* on (namespace, pod) group_left () max by (namespace, pod) "
            f"(max_over_time(ml_model_info{{{ours},digest={_quoted(digest)}}}[{window}]))"
        )
        features: dict[str, dict[str, float]] = {}
        for labels, rows in self.query(
            f"sum by (feature, bin) "
            f"(increase(ml_feature_bin_total{{{ours}}}[{window}]) {with_digest})"
        ):
            features.setdefault(labels["feature"], {})[labels["bin"]] = rows
        predictions = self.query(
            f"sum by (prediction) "
            f"(increase(ml_predictions_total{{{ours}}}[{window}]) {with_digest})"
        )
        return Counts(
            features,
            {labels["prediction"]: rows for labels, rows in predictions},
            release,
            tuple(sorted(labels["digest"] for labels, _ in digests)),
        )

    def _release(self, model: str, namespace: str, window: str) -> str:
        """The only release of the model in the namespace. Raises ModelctlError."""
        series = f"ml_model_info{{namespace={_quoted(namespace)},name={_quoted(model)}}}"
        jobs = self.query(f"count by (job) (max_over_time({series}[{window}]))")
        names = sorted({labels.get("job", "").rpartition("/")[2] for labels, _ in jobs})
        if len(names) == 1:
            return names[0]
        raise ModelctlError(
            f"Prometheus has {len(names) or 'no'} releases of '{model}' in '{namespace}'",
            expected="one release with ml_model_info series in the window",
            found=", ".join(names),
            fix="choose one with --release"
            if names
            else "check --namespace, and that Prometheus scrapes its pods (metrics.monitor)",
        )

    def _failed(self, reason: str) -> ModelctlError:
        return ModelctlError(f"query to Prometheus at {self._url} failed", found=reason[:500])


def _job(namespace: str, release: str) -> str:
    """The job label: the Service of a ServiceMonitor, or a PodMonitor's namespace and name."""
    return _quoted(f"({re.escape(namespace)}/)?{re.escape(release)}")


def _quoted(text: str) -> str:
    return json.dumps(text)


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")
