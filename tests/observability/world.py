"""What Prometheus would have scraped, for promtool: a healthy release beside two that are not.

A world maps a series to its values in promtool's notation. The neighbours (a release whose name
begins alike, and one of the same name in another namespace) are as ill as can be: any rule that
looks beyond its own release fires where it must not.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field

PODS = ("iris-7c9d8f6b5-abcde", "iris-7c9d8f6b5-fghij")
DIGEST, OTHER_DIGEST = "sha256:" + "b" * 64, "sha256:" + "c" * 64
# Shares of the reference: of a feature's bins, and of the predicted classes.
BINS = {"0": 0.5, "1": 0.3, "2": 0.2, "below": 0.0, "above": 0.0, "missing": 0.0, "unseen": 0.0}
CLASSES = {"setosa": 0.4, "virginica": 0.6}
NAMESPACE_OF = 'namespace="ml-dev"'
DAY = 86_400
Pieces = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class World:
    """A release as it is for `steps` times `minutes` minutes; all rates are of both pods together.

    Each field that is a tuple is a course: `(steps, requests per minute)` one after another.
    """

    steps: int = 40
    minutes: int = 1
    good: Pieces = ()
    failed: Pieces = ()
    slow: Pieces = ()
    shed: Pieces = ()
    rejected: Pieces = ()
    # Requests for an explanation that fail; others come as often as predictions.
    unexplained: Pieces = ()
    # Of them, those that are shed.
    unexplained_shed: Pieces = ()
    traffic: float = 60
    bins: dict[str, float] = field(default_factory=lambda: dict(BINS))
    classes: dict[str, float] = field(default_factory=lambda: dict(CLASSES))
    in_flight: float = 1
    worker_starts: str = "4"
    digests: tuple[str, str] = (DIGEST, DIGEST)
    age_days: float = 1
    verification_failures: float = 0
    # Workers of each pod whose Redis answers, and look-ups in it that fail.
    cached: float | str = 4
    cache_errors: Pieces = ()
    up: str = "1"
    # Of its Rollout, as Argo Rollouts' metrics name it; empty where `more` has it.
    phase: str = "Completed"
    more: dict[str, str] = field(default_factory=dict)

    def but(self, **changes: object) -> World:
        """The same with some things changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def course(self, pieces: Pieces) -> str:
        """A counter that grows as the pieces say, for one of two pods; flat where they end."""
        value, text = 0.0, ["0"]
        left = self.steps
        for steps, per_minute in (*pieces, (left, 0.0)):
            take = min(steps, left)
            if take <= 0:
                break
            step = per_minute * self.minutes / len(PODS)
            text.append(f"{value + step:.6f}+{step:.6f}x{take - 1}")
            value, left = value + step * take, left - take
        return " ".join(text)

    def steady(self, value: float | str) -> str:
        """A gauge; what is in promtool's notation already stays."""
        return str(value) if "x" in str(value) else f"{value}x{self.steps}"

    def series(self) -> dict[str, str]:
        """Everything that is scraped."""
        everything: dict[str, str] = {}
        for pod, digest in zip(PODS, self.digests, strict=True):
            everything |= self._pod(f'namespace="ml-dev",job="iris",pod="{pod}"', digest)
        everything |= self._kubernetes("ml-dev", "iris", PODS[0], ill=False)
        everything |= self._rollout("ml-dev", "iris", (self.phase,) if self.phase else (), 2)
        everything |= self._neighbour("ml-dev", "iris-big")
        everything |= self._neighbour("ml-production", "iris")
        return everything | self.more

    def _pod(self, target: str, digest: str) -> dict[str, str]:
        every = ((self.steps, self.traffic),)
        good, failed = self.good or every, self.failed
        slow = self.slow or ((self.steps, 0.0),)
        total = _sum(self.steps, good, failed)
        predict = f'{target},route="/predict"'
        health = f'{target},route="/health"'
        explain = f'{target},route="/v1/models/<model>:explain"'
        share = {name: ((self.steps, self.traffic * part),) for name, part in self.bins.items()}
        rows = {name: ((self.steps, self.traffic * part),) for name, part in self.classes.items()}
        return {
            f"up{{{target}}}": self.steady(self.up),
            f'ml_requests_total{{{predict},code="200"}}': self.course(good),
            f'ml_requests_total{{{predict},code="500"}}': self.course(failed),
            f'ml_requests_total{{{predict},code="503"}}': self.course(self.shed),
            # Probes are no predictions: their failures cost no budget and their number is none.
            f'ml_requests_total{{{health},code="503"}}': self.course(((self.steps, 500),)),
            f'ml_requests_total{{{explain},code="200"}}': self.course(every),
            f'ml_requests_total{{{explain},code="504"}}': self.course(self.unexplained),
            f'ml_requests_total{{{explain},code="503"}}': self.course(self.unexplained_shed),
            # Of a model without explanations: no failures, and nothing to compare them with.
            f'ml_requests_total{{{explain},code="501"}}': self.course(((self.steps, 500),)),
            f"ml_request_duration_seconds_count{{{predict}}}": self.course(total),
            f'ml_request_duration_seconds_bucket{{{predict},le="0.25"}}': self.course(
                _sum(self.steps, total, slow, sign=-1)
            ),
            f"ml_request_duration_seconds_count{{{health}}}": self.course(((self.steps, 500),)),
            f'ml_request_duration_seconds_bucket{{{health},le="0.25"}}': self.course(()),
            f"ml_requests_shed_total{{{target}}}": self.course(
                _sum(self.steps, self.shed, self.unexplained_shed)
            ),
            f'ml_input_rejections_total{{{target},reason="contract"}}': self.course(self.rejected),
            f"ml_requests_in_flight{{{target}}}": self.steady(self.in_flight),
            f"ml_requests_in_flight_limit{{{target}}}": self.steady(64),
            f"ml_workers{{{target}}}": self.steady(4),
            f"ml_worker_starts_total{{{target}}}": self.steady(self.worker_starts),
            f"ml_cache_connected{{{target}}}": self.steady(self.cached),
            f'ml_cache_hits_total{{{target},level="memory"}}': self.course(every),
            f'ml_cache_hits_total{{{target},level="redis"}}': self.course(
                ((self.steps, self.traffic / 2),)
            ),
            f"ml_cache_misses_total{{{target}}}": self.course(((self.steps, self.traffic / 2),)),
            f'ml_cache_errors_total{{{target},reason="invalid"}}': self.course(self.cache_errors),
            # Tries to come back, and answers that no store keeps: neither is a look-up.
            f'ml_cache_errors_total{{{target},reason="connection"}}': self.course(every),
            f'ml_cache_errors_total{{{target},reason="unstorable"}}': self.course(every),
            f'ml_model_info{{{target},name="iris",digest="{digest}"}}': self.steady(1),
            f"ml_model_created_timestamp_seconds{{{target}}}": self.steady(
                self.steps * self.minutes * 60 - self.age_days * DAY
            ),
            f"ml_model_verification_failures_total{{{target}}}": self.course(
                ((self.steps, self.verification_failures),)
            ),
            **{
                f'ml_feature_bin_total{{{target},feature="petal",bin="{name}"}}': self.course(part)
                for name, part in share.items()
            },
            **{
                f'ml_feature_reference_ratio{{{target},feature="petal",bin="{name}"}}': self.steady(
                    part
                )
                for name, part in BINS.items()
            },
            **{
                f'ml_predictions_total{{{target},prediction="{name}"}}': self.course(part)
                for name, part in rows.items()
            },
            **{
                f'ml_prediction_reference_ratio{{{target},prediction="{name}"}}': self.steady(part)
                for name, part in CLASSES.items()
            },
        }

    def _kubernetes(self, namespace: str, name: str, pod: str, *, ill: bool) -> dict[str, str]:
        """What kube-state-metrics and Argo CD tell of a release."""
        where = f'namespace="{namespace}"'
        container = f'{where},pod="{pod}",container="model"'
        deployment = f'{where},deployment="{name}"'
        hpa = f'{where},horizontalpodautoscaler="{name}"'
        budget = f'{where},poddisruptionbudget="{name}"'
        environment = namespace.removeprefix("ml-")
        sync, health = ("OutOfSync", "Degraded") if ill else ("Synced", "Healthy")
        application = f'dest_namespace="{namespace}",name="{environment}-{name}"'
        condition = f'{deployment},condition="Progressing",status="false"'
        terminated = "kube_pod_container_status_last_terminated"
        values: dict[str, float | str] = {
            f"kube_deployment_status_condition{{{condition}}}": int(ill),
            f"kube_deployment_spec_replicas{{{deployment}}}": 2,
            f"kube_deployment_status_replicas_available{{{deployment}}}": 0 if ill else 2,
            f"kube_horizontalpodautoscaler_status_desired_replicas{{{hpa}}}": 4 if ill else 2,
            f"kube_horizontalpodautoscaler_spec_max_replicas{{{hpa}}}": 4,
            f"kube_horizontalpodautoscaler_spec_min_replicas{{{hpa}}}": 2,
            f'{terminated}_reason{{{container},reason="OOMKilled"}}': int(ill),
            f"{terminated}_exitcode{{{container}}}": 3 if ill else 0,
            f"kube_pod_container_status_ready{{{container}}}": int(not ill),
            f"kube_poddisruptionbudget_status_pod_disruptions_allowed{{{budget}}}": int(not ill),
            f"kube_poddisruptionbudget_status_expected_pods{{{budget}}}": 2,
            f'argocd_app_info{{{application},sync_status="{sync}",health_status="{health}"}}': 1,
        }
        values |= self._runs(namespace, f"{name}-batch-nightly", ill=ill)
        values |= self._runs(namespace, f"{name}-training-weekly", ill=ill)
        values |= self._consumer(namespace, f"{name}-consumer", ill=ill)
        restarts = f"kube_pod_container_status_restarts_total{{{container}}}"
        return {name: self.steady(value) for name, value in values.items()} | {
            restarts: self.course(((self.steps, 2.0 * ill),))
        }

    def _runs(self, namespace: str, cronjob: str, *, ill: bool) -> dict[str, float | str]:
        """What kube-state-metrics tells of a CronJob: one run that has ended, one is active."""
        end = self.steps * self.minutes * 60
        where = f'namespace="{namespace}"'
        found: dict[str, float | str] = {
            f'kube_cronjob_created{{{where},cronjob="{cronjob}"}}': end - 90 * DAY,
            f'kube_cronjob_status_last_successful_time{{{where},cronjob="{cronjob}"}}': (
                end - 60 * DAY if ill else end - 600
            ),
        }
        for job, is_active in ((f"{cronjob}-1", False), (f"{cronjob}-2", True)):
            which = f'{where},job_name="{job}"'
            owner = f'{which},owner_kind="CronJob",owner_name="{cronjob}"'
            has_failed = int(ill and not is_active)
            found |= {
                f'kube_job_owner{{{owner},owner_is_controller="true"}}': 1,
                f'kube_job_failed{{{which},condition="true"}}': has_failed,
                f'kube_job_failed{{{which},condition="false"}}': 1 - has_failed,
                f'kube_job_complete{{{which},condition="true"}}': int(not ill and not is_active),
                f"kube_job_status_active{{{which}}}": int(is_active),
                f"kube_job_status_start_time{{{which}}}": end - (DAY if ill else 300),
            }
        return found

    def _consumer(self, namespace: str, name: str, *, ill: bool) -> dict[str, float | str]:
        """What a consumer tells of its queue, and kube-state-metrics of its pods."""
        where = f'namespace="{namespace}"'
        target = f'{where},job="{namespace}/{name}",pod="{name}-1"'
        return {
            f"ml_consumer_connected{{{target}}}": int(not ill),
            f"ml_consumer_oldest_seconds{{{target}}}": DAY if ill else 1,
            f"ml_consumer_dead_letters_total{{{target}}}": (f"0+1x{self.steps}" if ill else "0"),
            f'kube_deployment_spec_replicas{{{where},deployment="{name}"}}': 2,
            f'kube_deployment_status_replicas_available{{{where},deployment="{name}"}}': (
                0 if ill else 2
            ),
        }

    def _neighbour(self, namespace: str, name: str) -> dict[str, str]:
        """A release that is as ill as can be."""
        pod = f"{name}-5f6d7c8b9-zzzzz"
        target = f'namespace="{namespace}",job="{name}",pod="{pod}"'
        ill = World(
            steps=self.steps,
            minutes=self.minutes,
            good=((self.steps, 100),),
            failed=((self.steps, 100),),
            slow=((self.steps, 200),),
            shed=((self.steps, 100),),
            rejected=((self.steps, 100),),
            unexplained=((self.steps, 100),),
            bins={**dict.fromkeys(BINS, 0.0), "above": 1.0},
            classes={"setosa": 1.0, "virginica": 0.0},
            in_flight=64,
            age_days=999,
            verification_failures=1,
            cached=0,
            cache_errors=((self.steps, 100),),
            worker_starts=f"4+1x{self.steps}",
            up="0",
        )
        return (
            ill._pod(target, OTHER_DIGEST)
            | self._kubernetes(namespace, name, pod, ill=True)
            | self._rollout(namespace, name, ("Abort", "Error", "InvalidSpec", "Paused"), 0)
        )

    def _rollout(
        self, namespace: str, name: str, phases: tuple[str, ...], available: int
    ) -> dict[str, str]:
        """What Argo Rollouts tells of a release."""
        where = f'namespace="{namespace}",name="{name}"'
        values = {
            f"rollout_info_replicas_desired{{{where}}}": 2,
            f"rollout_info_replicas_available{{{where}}}": available,
            **{f'rollout_info{{{where},phase="{phase}"}}': 1 for phase in phases},
        }
        return {series: self.steady(value) for series, value in values.items()}


def _sum(steps: int, *courses: Pieces, sign: int = 1) -> Pieces:
    """The first course and, by the sign, the others added to or taken off it."""

    def at(course: Pieces, step: int) -> float:
        for length, rate in course:
            if step < length:
                return rate
            step -= length
        return 0.0

    edges = {0, steps}
    for course in courses:
        position = 0
        for length, _ in course:
            position += length
            edges.add(min(position, steps))
    ordered = sorted(edges)
    return tuple(
        (end - start, at(courses[0], start) + sign * sum(at(c, start) for c in courses[1:]))
        for start, end in itertools.pairwise(ordered)
    )
