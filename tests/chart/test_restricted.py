"""What users add to the pod is refused if Pod Security "restricted" refuses it, and only then.

A real API server judges a pod that is written here, without the chart: what the standard says is
nowhere in these tests. Where a namespace enforces nothing, the chart's switch takes the same away.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest

from tests import rendering
from tests.chart import entries, judge, least, trials

Values = dict[str, Any]

LOCAL = {"type": "Localhost", "localhostProfile": "a/b.json"}
SECURITY: dict[str, Values] = {
    "nothing": {},
    "root-not-refused": {"runAsUser": 0, "runAsNonRoot": False},
    "user": {"runAsUser": 5},
    "group-root": {"runAsGroup": 0},
    "not-non-root": {"runAsNonRoot": False},
    "non-root": {"runAsNonRoot": True},
    "privileged": {"privileged": True},
    "not-privileged": {"privileged": False},
    "escalates": {"allowPrivilegeEscalation": True},
    "does-not-escalate": {"allowPrivilegeEscalation": False},
    "writes-to-its-root": {"readOnlyRootFilesystem": False},
    "bind": {"capabilities": {"add": ["NET_BIND_SERVICE"]}},
    "admin": {"capabilities": {"add": ["NET_ADMIN"]}},
    "bind-and-raw": {"capabilities": {"add": ["NET_BIND_SERVICE", "NET_RAW"]}},
    "sys-admin": {"capabilities": {"add": ["SYS_ADMIN"]}},
    "everything": {"capabilities": {"add": ["ALL"]}},
    "drops-none": {"capabilities": {"drop": []}},
    "drops-one": {"capabilities": {"drop": ["NET_RAW"]}},
    "drops-all": {"capabilities": {"drop": ["ALL"]}},
    "drops-more-than-all": {"capabilities": {"drop": ["NET_RAW", "ALL"]}},
    "seccomp": {"seccompProfile": {"type": "RuntimeDefault"}},
    "seccomp-local": {"seccompProfile": LOCAL},
    "seccomp-none": {"seccompProfile": {"type": "Unconfined"}},
    "apparmor": {"appArmorProfile": {"type": "RuntimeDefault"}},
    "apparmor-local": {"appArmorProfile": LOCAL},
    "apparmor-none": {"appArmorProfile": {"type": "Unconfined"}},
    "proc": {"procMount": "Default"},
    "proc-unmasked": {"procMount": "Unmasked"},
    **{
        f"selinux-{kind or 'empty'}": {"seLinuxOptions": {"type": kind}}
        for kind in ("", "container_t", "container_init_t", "container_engine_t", "spc_t")
    },
    "selinux-level": {"seLinuxOptions": {"level": "s0:c123,c456"}},
    "selinux-user": {"seLinuxOptions": {"user": "system_u"}},
    "selinux-role": {"seLinuxOptions": {"role": "system_r"}},
}
# Each kind of volume that Kubernetes has, as it takes it; the last are those of the chart.
SOURCES: dict[str, Values] = {
    "awsElasticBlockStore": {"volumeID": "a"},
    "azureDisk": {"diskName": "a", "diskURI": "https://a.example/a"},
    "azureFile": {"secretName": "a", "shareName": "b"},
    "cephfs": {"monitors": ["a"]},
    "cinder": {"volumeID": "a"},
    "fc": {"targetWWNs": ["a"], "lun": 1},
    "flexVolume": {"driver": "a/b"},
    "gcePersistentDisk": {"pdName": "a"},
    "iscsi": {"targetPortal": "a", "iqn": "iqn.2001-04.com.example:a", "lun": 0},
    "portworxVolume": {"volumeID": "a"},
    "rbd": {"monitors": ["a"], "image": "a"},
    "vsphereVolume": {"volumePath": "a"},
    **entries.SOURCES,
    **entries.FREE_SOURCES,
}
HOSTS = ("", "127.0.0.1", "a.example")
PROFILES = ("", "runtime/default", "localhost/a", "unconfined")


def pod(
    container: Values,
    spec: Values,
    annotations: Values | None = None,
    key: str = "containers",
) -> rendering.Manifest:
    """A restricted pod with one container more; what that does not say is as strict as can be."""
    strict: Values = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    own = container.get("securityContext", {})
    security = {
        **strict,
        **own,
        "capabilities": strict["capabilities"] | own.get("capabilities", {}),
    }
    if own.get("privileged") or "SYS_ADMIN" in security["capabilities"].get("add", []):
        # Kubernetes takes no other, whatever the standard says of it.
        security.pop("allowPrivilegeEscalation")
    containers: Values = {
        "containers": [{"name": "model", "image": "a", "securityContext": strict}],
    }
    added = {"name": "added", "image": "a", **container, "securityContext": security}
    containers[key] = [*containers.get(key, []), added]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "annotations": annotations or {}},
        "spec": {
            **containers,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **spec,
        },
    }


Case = tuple[str, Values, rendering.Manifest]


def secured() -> Iterator[Case]:
    """Security contexts."""
    for name, security in SECURITY.items():
        container = {"securityContext": security}
        for mapped in (False, True):
            spec = {"hostUsers": False} if mapped else {}
            users = {"security": {"hostUsers": not mapped}}
            for kind, key in (("sidecars", "containers"), ("initContainers", "initContainers")):
                values = {kind: {"added": {"image": "a", **container}}, **users}
                yield f"{kind}-{name}-{mapped}", values, pod(container, spec, key=key)


def handled() -> Iterator[Case]:
    """Probes and handlers that ask a host."""
    probes = ("startupProbe", "readinessProbe", "livenessProbe")
    for way, host in product(("httpGet", "tcpSocket"), HOSTS):
        asks: Values = {way: {"port": 80, "host": host}}
        containers: list[Values] = [{probe: asks} for probe in probes]
        containers += [{"lifecycle": {when: asks}} for when in ("postStart", "preStop")]
        for container in containers:
            values = {"sidecars": {"added": {"image": "a", **container}}}
            (key,) = container
            name = "-".join((key, *(container[key] if key == "lifecycle" else ()), way, host))
            yield name, values, pod(container, {})


def mounted() -> Iterator[Case]:
    """Volumes."""
    for source, content in SOURCES.items():
        values = {"volumes": {"added": {"source": {source: content}}}}
        yield f"volume-{source}", values, pod({}, {"volumes": [{"name": "added", source: content}]})


def annotated() -> Iterator[Case]:
    """Profiles of AppArmor by annotation."""
    for container, profile in product(("model", "added", "other"), PROFILES):
        annotations = {f"container.apparmor.security.beta.kubernetes.io/{container}": profile}
        values = {"podAnnotations": annotations, "sidecars": {"added": {"image": "a"}}}
        yield f"annotation-{container}-{profile}", values, pod({}, {}, annotations)


CASES = {
    name: (values, manifest)
    for name, values, manifest in chain(secured(), handled(), mounted(), annotated())
}


@pytest.mark.parametrize("case", CASES)
def test_the_chart_refuses_what_the_standard_refuses(
    court: judge.Judge, tmp_path: Path, case: str
) -> None:
    values, manifest = CASES[case]
    refused = court.refusals([manifest])
    result = least.result(values, tmp_path)
    assert bool(result.code) == bool(refused), (refused, result.stderr[-500:])
    if result.code:
        named = ("expected", "found") if "ERROR" in result.stderr else ("not allowed",)
        assert all(word in result.stderr for word in named), result.stderr
    else:
        assert court.refusals(rendering.parse(result.stdout)) == []


# The namespace alone decides there: some are enough to see it, and all in `make test-all`.
SOME = list(CASES) if trials.ALL else list(CASES)[::6]


@pytest.mark.parametrize("case", SOME)
def test_the_switch_leaves_it_to_the_namespace(
    court: judge.Judge, tmp_path: Path, case: str
) -> None:
    values, manifest = CASES[case]
    freed = {"allowPrivilegedExtensions": True, **values.get("security", {})}
    result = least.result(values | {"security": freed}, tmp_path)
    refused = court.refusals([manifest], judge.FREE)
    is_old = case.startswith("volume-") and "not allowed" in result.stderr
    assert bool(result.code) == bool(refused) or is_old, (refused, result.stderr[-500:])
    if not result.code:
        assert court.refusals(rendering.parse(result.stdout), judge.FREE) == []
