"""From the chart before to this one on a real cluster, with somebody asking all the time."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests import rendering
from tests.chart import previous

from .ad_hoc import DEADLINE_SECONDS, applied, restricted_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .loop import Loop


NAMESPACE = "chart-upgrade"
# All that a release can leave behind; what the namespace has of itself is compared with before.
KINDS = "all,configmap,secret,serviceaccount,networkpolicy,pdb,hpa,ingress,pvc"


@dataclass(frozen=True)
class Upgraded:
    """A release that is moved from one chart to another by one of the Helms."""

    loop: Loop
    helm: str
    model: str
    values: Path
    namespace: str = NAMESPACE

    def call(self, *words: str) -> str:
        """Everything that Helm prints."""
        where = ("--namespace", self.namespace, "--kubeconfig", self.loop.layout.kubeconfig)
        result = rendering.run(rendering.tool(self.helm), *words, *where)
        assert result.code == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    def to(self, chart: Path) -> None:
        """Install that chart, or upgrade to it, and wait until every pod is ready."""
        self.call(
            *("upgrade", "--install", self.model, str(chart), *rendering.values(self.values)),
            *("--wait", f"--timeout={DEADLINE_SECONDS}s"),
        )

    def deployment(self) -> dict[str, Any]:
        """Its Deployment as it is stored."""
        found: dict[str, Any] = self.loop.get(
            "deployment", self.model, f"--namespace={self.namespace}"
        )
        return found

    def objects(self) -> set[str]:
        """What there is in the namespace; pods on their way out do not count."""
        return {
            f"{item['kind']}/{item['metadata']['name']}"
            for item in self.loop.get(KINDS, f"--namespace={self.namespace}")["items"]
            if "deletionTimestamp" not in item["metadata"]
        }


@pytest.fixture(scope="module")
def namespace(loop: Loop) -> Iterator[str]:
    """A namespace that is held to what an environment is held to."""
    with applied(loop, [restricted_namespace(NAMESPACE)]):
        # Made by the cluster in a moment of its own choosing.
        loop.kubectl(
            *("wait", "--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt"),
            *(f"--namespace={NAMESPACE}", "--timeout=30s"),
        )
        yield NAMESPACE


@contextmanager
def released(loop: Loop, helm: str, folder: Path) -> Iterator[Upgraded]:
    """Two pods of the image that runs in dev, in the chart before; gone afterwards."""
    dev = loop.found / "environments" / "dev" / "iris"
    version = yaml.safe_load((dev / "version.yaml").read_text(encoding="utf-8"))
    # Without `chart`, which an older chart does not know.
    values = {name: version[name] for name in ("image", "model")} | {"replicaCount": 2}
    values["resources"] = {"requests": {"cpu": "50m"}}
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    release = Upgraded(loop, helm, "upgraded", file)
    release.to(previous.package())
    try:
        yield release
    finally:
        release.call("uninstall", release.model, "--wait", f"--timeout={DEADLINE_SECONDS}s")


@pytest.mark.parametrize("helm", rendering.HELMS)
def test_upgrade_from_the_version_before_loses_no_request_and_leaves_nothing(
    loop: Loop, namespace: str, sample: Path, tmp_path: Path, helm: str
) -> None:
    with released(loop, helm, tmp_path) as release:
        labels = release.deployment()["metadata"]["labels"]
        assert f"{labels['helm.sh/chart']}.tgz" == previous.package().name
        uid = release.deployment()["metadata"]["uid"]
        with loop.probing(release, sample) as report:
            # Pods that are replaced too, whatever the two versions have in common.
            values = yaml.safe_load(release.values.read_text(encoding="utf-8"))
            values["config"] = {"maxBatchRows": 7}
            release.values.write_text(yaml.safe_dump(values), encoding="utf-8")
            release.to(rendering.CHART)
        assert report["failed"] == 0, report
        assert report["requests"] > 0
        upgraded = release.deployment()
        assert upgraded["metadata"]["uid"] == uid, "the Deployment was made anew"
        assert upgraded["metadata"]["labels"]["helm.sh/chart"] != labels["helm.sh/chart"]
        assert "OK: iris" in release.call("test", release.model, f"--timeout={DEADLINE_SECONDS}s")
        left = release.objects()
        assert f"Deployment/{release.model}" in left
    assert {name for name in release.objects() if release.model in name} == set()
