"""For every alerting rule three worlds: in which it fires, in which it must not, and one with so
little traffic that nothing can be said.

`fires` lists what else fires there; all worlds are checked for exactly what fires in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.observability.rules import Key
from tests.observability.world import BINS, CLASSES, NAMESPACE_OF, OTHER_DIGEST, PODS, World

PAGE, TICKET = "critical", "warning"
IDLE = World(traffic=0.02)


@dataclass(frozen=True)
class Case:
    """The three worlds of a rule, and what fires in each beside the rule."""

    fires: World
    quiet: World
    idle: World
    also: tuple[Key, ...] = ()
    also_quiet: tuple[Key, ...] = ()
    also_idle: tuple[Key, ...] = ()


def _burns(alert: str, field: str, share: float) -> dict[Key, Case]:
    """The four speeds of a budget; `share` is the share of bad requests that uses it up exactly.

    Quiet is each time a burst that is over: the long window still sees it, the short one does not.
    """
    speeds = [(14.4, PAGE, "14.4x"), (6, PAGE, "6x"), (3, TICKET, "3x"), (1, TICKET, "1x")]
    keys = [Key(alert, severity, burn) for _, severity, burn in speeds]
    # Minutes between two samples, samples of the long and of the short window.
    shapes = [(1, 60, 5), (5, 72, 6), (20, 72, 6), (30, 144, 12)]
    found = {}
    for index, ((speed, _, _), (minutes, long, short)) in enumerate(
        zip(speeds, shapes, strict=True)
    ):
        bad = share * speed * 1.3
        world = World(steps=long + 6, minutes=minutes)

        def burning(rate: float, parts: list[tuple[int, float]], world: World = world) -> World:
            pieces = tuple((steps, rate * part) for steps, part in parts)
            if field == "failed":
                good = tuple((steps, rate * (1 - part)) for steps, part in parts)
                return world.but(good=good, failed=pieces)
            return world.but(good=tuple((steps, rate) for steps, _ in parts), slow=pieces)

        steps = world.steps
        # Three times as bad for a while, then not at all since just longer than the short window.
        over = [(steps - short - 2, bad * 1.5), (short + 2, 0.0)]
        few = 60 / (long * minutes)
        found[keys[index]] = Case(
            fires=burning(60, [(steps, bad)]),
            quiet=burning(60, over),
            idle=burning(few, [(steps, 0.9)]),
            also=tuple(keys[index + 1 :]),
            also_quiet=tuple(keys[index + 1 :]) if index < 3 else (),
        )
    return found


def _kube(name: str, labels: str, value: str) -> dict[str, str]:
    return {f"{name}{{{NAMESPACE_OF},{labels}}}": value}


def _drift(
    alert: str, field: str, strong: dict[str, float], weak: dict[str, float]
) -> dict[Key, Case]:
    """A shift that pages and one that opens a ticket, over seven hours."""
    world = World(steps=84, minutes=5)
    long_ago = {"steps": 130, "minutes": 5}
    ticket, page = Key(alert, TICKET), Key(alert, PAGE)
    return {
        ticket: Case(
            fires=world.but(**{field: weak}),
            quiet=world,
            # 0.5 rows a minute: 180 in six hours.
            idle=world.but(traffic=0.5, **{field: strong}),
        ),
        page: Case(
            fires=world.but(**{field: strong}),
            also=(ticket,),
            quiet=world.but(**{field: weak}),
            also_quiet=(ticket,),
            # Enough rows in a day to be sure and open a ticket, too few in an hour to page.
            idle=World(**long_ago, traffic=2, **{field: strong}),  # type: ignore[arg-type]
            also_idle=(ticket,),
        ),
    }


def _plain(
    alert: str, severity: str, fires: World, quiet: World, idle: World = IDLE
) -> dict[Key, Case]:
    return {Key(alert, severity): Case(fires, quiet, idle)}


HEALTHY = World()
WEEK = World(steps=8 * 24 * 2, minutes=30)
CONSUMER = 'deployment="iris-consumer"'
DEPLOYMENT, HPA = 'deployment="iris"', 'horizontalpodautoscaler="iris"'
BUDGET = 'poddisruptionbudget="iris"'
CONTAINER = f'pod="{PODS[0]}",container="model"'
KUBE, CONTAINER_STATUS = "kube_deployment", "kube_pod_container_status"
APPLICATION = 'argocd_app_info{dest_namespace="ml-dev",name="dev-iris"'


def _since(steps: int, last: int, before: float, after: float) -> str:
    """A gauge that changed `last` steps before the end."""
    return f"{before}x{steps - last - 1} {after}x{last}"


def _argo(sync: str, health: str, steps: int) -> dict[str, str]:
    """The application was well and is so since that many steps."""
    good = f'{APPLICATION},sync_status="Synced",health_status="Healthy"}}'
    bad = f'{APPLICATION},sync_status="{sync}",health_status="{health}"}}'
    return {good: f"1x{39 - steps} stale", bad: f"_x{39 - steps} 1x{steps}"}


def _available(course: str) -> dict[str, str]:
    return {f'rollout_info_replicas_available{{{NAMESPACE_OF},name="iris"}}': course}


def _rollout(steps: int, minutes: int, *courses: tuple[str, int]) -> World:
    """A Rollout that goes from phase to phase; each for some steps. Phases as its metrics have."""
    more: dict[str, str] = {}
    done = 0
    for phase, length in courses:
        series = f'rollout_info{{{NAMESPACE_OF},name="iris",phase="{phase}"}}'
        is_last = done + length == steps
        parts = [f"_x{done}", f"1x{length}" if is_last else f"1x{length - 1} stale"]
        more[series] = " ".join(parts)
        done += length
    return World(steps=steps, minutes=minutes, phase="", more=more)


END = HEALTHY.steps * HEALTHY.minutes * 60
HOUR = 3600


def _batch(**series: float) -> dict[str, str]:
    """Of the batch `nightly`: its CronJob's series, and those of its first (1) and second run."""
    return _runs("iris-batch-nightly", series)


def _training(**series: float) -> dict[str, str]:
    """Likewise of the training `weekly`."""
    return _runs("iris-training-weekly", series)


def _runs(cronjob: str, series: dict[str, float]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in series.items():
        metric, _, run = name.partition("__")
        labels = f'job_name="{cronjob}-{run}"' if run else f'cronjob="{cronjob}"'
        is_verdict = metric in ("kube_job_failed", "kube_job_complete")
        condition = ',condition="true"' if is_verdict else ""
        found |= _kube(metric, labels + condition, f"{value}x40")
    return found


def _consumer(**series: str) -> dict[str, str]:
    """Of one pod of the consumer."""
    target = f'{NAMESPACE_OF},job="ml-dev/iris-consumer",pod="iris-consumer-1"'
    return {f"ml_consumer_{name}{{{target}}}": course for name, course in series.items()}


SHED = 60 * 0.05
FEATURE = {**BINS, "0": 0.42, "1": 0.3, "2": 0.26, "above": 0.02}
CASES: dict[Key, Case] = {
    **_burns("MlAvailabilityBudgetBurn", "failed", 0.001),
    **_burns("MlLatencyBudgetBurn", "slow", 0.01),
    **_plain(
        "MlNoPods",
        PAGE,
        HEALTHY.but(up=_since(40, 3, 1, 0)),
        HEALTHY.but(up=_since(40, 1, 1, 0)),
    ),
    **_plain(
        "MlNoTraffic",
        TICKET,
        WEEK.but(good=((WEEK.steps - 4, 60),)),
        # Silent at this time of the week: it was a week ago, too.
        WEEK.but(good=((42, 60), (12, 0), (WEEK.steps - 58, 60))),
        WEEK.but(good=((WEEK.steps - 4, 0.5),)),
    ),
    **_plain(
        "MlSaturation",
        TICKET,
        HEALTHY.but(in_flight=60),
        HEALTHY.but(in_flight=50),
        HEALTHY.but(traffic=0.02, in_flight=1),
    ),
    **_plain(
        "MlShedding",
        PAGE,
        HEALTHY.but(shed=((40, SHED),)),
        # Explanations that are shed are no predictions.
        HEALTHY.but(shed=((40, 60 * 0.005),), unexplained_shed=((40, 2),)),
        HEALTHY.but(traffic=10, shed=((40, 5),)),
    ),
    **_plain(
        "MlExplanationsFailing",
        TICKET,
        # One in ten, and one in forty.
        HEALTHY.but(unexplained=((40, 60 / 9),)),
        HEALTHY.but(unexplained=((40, 60 / 39),)),
        HEALTHY.but(traffic=1, unexplained=((40, 1),)),
    ),
    **_plain(
        "MlWorkerRestarts",
        TICKET,
        HEALTHY.but(worker_starts="4x25 5+1x13"),
        # A pod that just started: its four workers are no restarts, nor are two more.
        HEALTHY.but(worker_starts="_x25 1 2 3 4 5x11"),
        IDLE.but(worker_starts="4x38 5"),
    ),
    **_plain(
        "MlVersionSkew",
        TICKET,
        HEALTHY.but(digests=(OTHER_DIGEST, World().digests[1])),
        HEALTHY.but(steps=25, digests=(OTHER_DIGEST, World().digests[1])),
    ),
    **_plain("MlModelStale", TICKET, World(steps=80).but(age_days=91), HEALTHY.but(age_days=89)),
    **_plain(
        "MlVerificationFailed",
        PAGE,
        HEALTHY.but(
            more=_kube(f"{CONTAINER_STATUS}_last_terminated_exitcode", CONTAINER, "3x40")
            | _kube(f"{CONTAINER_STATUS}_ready", CONTAINER, "0x40")
        ),
        # It refused once and serves now.
        HEALTHY.but(more=_kube(f"{CONTAINER_STATUS}_last_terminated_exitcode", CONTAINER, "3x40")),
    ),
    **_drift(
        "MlFeatureDrift", "bins", {**BINS, "0": 0.1, "1": 0.1, "2": 0.6, "above": 0.2}, FEATURE
    ),
    **_drift(
        "MlPredictionDrift",
        "classes",
        {**CLASSES, "setosa": 0.9, "virginica": 0.1},
        {**CLASSES, "setosa": 0.58, "virginica": 0.42},
    ),
    **_plain(
        "MlInputRejections",
        TICKET,
        HEALTHY.but(rejected=((40, 60 * 0.3),)),
        HEALTHY.but(rejected=((40, 60 * 0.1),)),
        HEALTHY.but(traffic=2, rejected=((40, 2),)),
    ),
    **_plain(
        "MlRolloutStuck",
        TICKET,
        HEALTHY.but(
            more=_kube(
                f"{KUBE}_status_condition",
                f'{DEPLOYMENT},condition="Progressing",status="false"',
                _since(40, 3, 0, 1),
            )
        ),
        HEALTHY,
    ),
    **_plain(
        "MlPodsUnavailable",
        TICKET,
        HEALTHY.but(
            more=_kube(f"{KUBE}_status_replicas_available", DEPLOYMENT, _since(40, 17, 2, 1))
        ),
        HEALTHY.but(
            more=_kube(f"{KUBE}_status_replicas_available", DEPLOYMENT, _since(40, 10, 2, 1))
        ),
    ),
    **_plain(
        "MlAutoscalerMaxed",
        TICKET,
        HEALTHY.but(
            more=_kube(
                "kube_horizontalpodautoscaler_status_desired_replicas", HPA, _since(40, 17, 2, 4)
            )
        ),
        # A minimum that is the maximum leaves nothing to want.
        HEALTHY.but(
            more=_kube("kube_horizontalpodautoscaler_status_desired_replicas", HPA, "4x40")
            | _kube("kube_horizontalpodautoscaler_spec_min_replicas", HPA, "4x40")
        ),
    ),
    **_plain(
        "MlOutOfMemory",
        PAGE,
        HEALTHY.but(
            more=_kube(
                f"{CONTAINER_STATUS}_last_terminated_reason",
                f'{CONTAINER},reason="OOMKilled"',
                _since(40, 10, 0, 1),
            )
            | _kube(f"{CONTAINER_STATUS}_restarts_total", CONTAINER, _since(40, 10, 0, 1))
        ),
        # An hour ago, and not since.
        HEALTHY.but(
            more=_kube(
                f"{CONTAINER_STATUS}_last_terminated_reason",
                f'{CONTAINER},reason="OOMKilled"',
                _since(40, 38, 0, 1),
            )
            | _kube(f"{CONTAINER_STATUS}_restarts_total", CONTAINER, _since(40, 38, 0, 1))
        ),
    ),
    **_plain(
        "MlEvictionsBlocked",
        TICKET,
        HEALTHY.but(
            more=_kube(
                "kube_poddisruptionbudget_status_pod_disruptions_allowed",
                BUDGET,
                _since(40, 33, 1, 0),
            )
        ),
        HEALTHY.but(
            more=_kube("kube_poddisruptionbudget_status_pod_disruptions_allowed", BUDGET, "0x40")
            | _kube("kube_poddisruptionbudget_status_expected_pods", BUDGET, "0x40")
        ),
    ),
    **_plain(
        "MlBatchFailed",
        TICKET,
        HEALTHY.but(
            more=_batch(
                kube_cronjob_status_last_successful_time=END - 2 * HOUR,
                kube_job_status_start_time__1=END - HOUR,
                kube_job_failed__1=1,
            )
        ),
        # Failed, and a later run has succeeded.
        HEALTHY.but(
            more=_batch(
                kube_cronjob_status_last_successful_time=END - 600,
                kube_job_status_start_time__1=END - HOUR,
                kube_job_failed__1=1,
            )
        ),
    ),
    **_plain(
        "MlBatchLate",
        TICKET,
        # A day and the six hours that a run may take.
        HEALTHY.but(more=_batch(kube_cronjob_status_last_successful_time=END - 31 * HOUR)),
        HEALTHY.but(more=_batch(kube_cronjob_status_last_successful_time=END - 29 * HOUR)),
    ),
    **_plain(
        "MlBatchSlow",
        TICKET,
        HEALTHY.but(more=_batch(kube_job_status_start_time__2=END - 3.1 * HOUR)),
        # The one that has started long ago has ended.
        HEALTHY.but(
            more=_batch(
                kube_job_status_start_time__1=END - 5 * HOUR,
                kube_job_status_start_time__2=END - 2.9 * HOUR,
            )
        ),
    ),
    **_plain(
        "MlTrainingFailed",
        TICKET,
        HEALTHY.but(
            more=_training(
                kube_job_complete__1=0,
                kube_cronjob_status_last_successful_time=END - 2 * HOUR,
                kube_job_status_start_time__1=END - HOUR,
                kube_job_failed__1=1,
            )
        ),
        # Failed, and a Job that started later has succeeded; of a ScaledJob nothing else tells.
        HEALTHY.but(
            more=_training(
                kube_job_complete__1=0,
                kube_job_status_start_time__1=END - HOUR,
                kube_job_failed__1=1,
                kube_job_status_start_time__2=END - 600,
                kube_job_complete__2=1,
                kube_cronjob_status_last_successful_time=END - 3 * HOUR,
            )
        ),
    ),
    **_plain(
        "MlTrainingLate",
        TICKET,
        # A week and the six hours that a run may take.
        HEALTHY.but(more=_training(kube_cronjob_status_last_successful_time=END - 175 * HOUR)),
        HEALTHY.but(more=_training(kube_cronjob_status_last_successful_time=END - 173 * HOUR)),
    ),
    **_plain(
        "MlCacheUnreachable",
        TICKET,
        HEALTHY.but(cached=_since(40, 17, 4, 3)),
        HEALTHY.but(cached=_since(40, 14, 4, 0)),
    ),
    **_plain(
        "MlCacheFailing",
        TICKET,
        HEALTHY.but(cache_errors=((40, 60 * 0.06),)),
        HEALTHY.but(cache_errors=((40, 60 * 0.04),)),
        IDLE.but(cache_errors=((40, 0.02),)),
    ),
    **_plain(
        "MlQueueOld",
        PAGE,
        HEALTHY.but(more=_consumer(oldest_seconds=_since(40, 4, 0, 301))),
        HEALTHY.but(more=_consumer(oldest_seconds=_since(40, 1, 0, 1000))),
        HEALTHY.but(traffic=0.02, more=_consumer(oldest_seconds="299x40")),
    ),
    **_plain(
        "MlQueueDeadLetters",
        TICKET,
        # What a pod counted before it was scraped for the first time.
        HEALTHY.but(more=_consumer(dead_letters_total="_x30 1x10")),
        # An hour ago.
        HEALTHY.but(more=_consumer(dead_letters_total="0x10 3x30")),
        HEALTHY.but(traffic=0.02, more=_consumer(dead_letters_total="5x40")),
    ),
    **_plain(
        "MlQueueUnreachable",
        PAGE,
        HEALTHY.but(more=_consumer(connected=_since(40, 7, 1, 0))),
        HEALTHY.but(more=_consumer(connected=_since(40, 4, 1, 0))),
    ),
    **_plain(
        "MlConsumerUnavailable",
        TICKET,
        HEALTHY.but(more=_kube(f"{KUBE}_status_replicas_available", CONSUMER, "0x40")),
        HEALTHY.but(
            more=_kube(f"{KUBE}_status_replicas_available", CONSUMER, _since(40, 12, 2, 0))
        ),
    ),
    **_plain(
        "MlOutOfSync",
        TICKET,
        HEALTHY.but(more=_argo("OutOfSync", "Healthy", 17)),
        HEALTHY.but(more=_argo("OutOfSync", "Healthy", 12)),
    ),
    **_plain(
        "MlDegraded",
        TICKET,
        HEALTHY.but(more=_argo("Synced", "Missing", 12)),
        HEALTHY.but(more=_argo("Synced", "Progressing", 30)),
    ),
}

# What only a Rollout has, or sees by other series.
ROLLOUTS: dict[Key, Case] = {
    **_plain(
        "MlRolloutAborted",
        TICKET,
        _rollout(40, 1, ("Progressing", 30), ("Abort", 10)),
        # Aborted, and git went back.
        _rollout(40, 1, ("Abort", 30), ("Completed", 10)),
    ),
    **_plain(
        "MlRolloutStuck",
        TICKET,
        _rollout(40, 1, ("Progressing", 30), ("Timeout", 10)),
        _rollout(40, 1, ("Progressing", 40)),
    ),
    **_plain(
        "MlRolloutPaused",
        TICKET,
        _rollout(70, 5, ("Completed", 10), ("Paused", 60)),
        # Its steps wait for three hours and a half.
        _rollout(70, 5, ("Completed", 28), ("Paused", 42)),
    ),
    **_plain(
        "MlPodsUnavailable",
        TICKET,
        HEALTHY.but(more=_available(_since(40, 17, 2, 1))),
        HEALTHY.but(more=_available(_since(40, 10, 2, 1))),
    ),
}
