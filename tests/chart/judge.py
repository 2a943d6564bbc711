"""Kubernetes' own verdict on rendered objects: a real API server with the definitions of all kinds.

Of each pod template it is also asked for the pod, in a namespace that enforces Pod Security
"restricted". Objects that it has taken once are not asked again.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import rendering
from tests.chart import apiserver, jobs
from tests.documents import walk

NAMESPACE = "ml-dev"
# One that takes pods which are not restricted.
FREE = "ml-free"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


class Judge:
    """Says what the API server refuses."""

    def __init__(self, server: apiserver.ApiServer) -> None:
        self._server = server
        context = ssl.create_default_context(cafile=str(server.pki / "ca.crt"))
        context.load_cert_chain(server.pki / "admin.crt", server.pki / "admin.key")
        host = server.address.removeprefix("https://")
        self._connection = http.client.HTTPSConnection(host, context=context, timeout=60)
        self._plurals: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def refusals(
        self, manifests: list[rendering.Manifest], namespace: str = NAMESPACE
    ) -> list[str]:
        """A line for each object that is refused in a namespace."""
        found = []
        for each in _created(manifests):
            manifest = each | {"metadata": each["metadata"] | {"namespace": namespace}}
            text = json.dumps(manifest, sort_keys=True)
            if text in self._taken:
                continue
            said = self._create(manifest, text)
            if said:
                found.append(f"{manifest['kind']} {manifest['metadata'].get('name')}: {said}")
            else:
                self._taken.add(text)
        return found

    def _create(self, manifest: rendering.Manifest, text: str) -> str:
        version = manifest["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural = self._plural(root, manifest["kind"])
        namespace = manifest["metadata"]["namespace"]
        path = f"{root}/namespaces/{namespace}/{plural}?dryRun=All&fieldValidation=Strict"
        status, answer = self._ask("POST", path, text)
        return "" if status in (200, 201) else str(answer.get("message", answer))[:600]

    def _plural(self, root: str, kind: str) -> str:
        if (root, kind) not in self._plurals:
            status, answer = self._ask("GET", root, None)
            assert status == 200, (root, answer)
            for each in answer["resources"]:
                if "/" not in each["name"]:
                    self._plurals[root, each["kind"]] = each["name"]
        return self._plurals[root, kind]

    def _ask(self, method: str, path: str, body: str | None) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        self._connection.request(method, path, body and body.encode(), headers)
        reply = self._connection.getresponse()
        return reply.status, json.loads(reply.read())


def _created(manifests: list[rendering.Manifest]) -> Iterator[rendering.Manifest]:
    """The objects, the Jobs of their CronJobs and a pod of each template."""
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            yield _alone(manifest["metadata"], manifest["spec"])
            continue
        yield manifest
        if manifest["kind"] == "CronJob":
            yield jobs.scheduled(manifest)
        for _, node in walk(manifest):
            if isinstance(node, dict) and "containers" in node.get("template", {}).get("spec", {}):
                template = node["template"]
                metadata = {**template.get("metadata", {}), "name": "pod"}
                yield _alone(metadata, template["spec"])


def _alone(metadata: dict[str, Any], spec: dict[str, Any]) -> rendering.Manifest:
    """A pod without what would have to exist: its account and its priority class."""
    own = {key: value for key, value in spec.items() if key != "priorityClassName"}
    account = {"serviceAccountName": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": own | account}


@contextmanager
def sitting(folder: Path) -> Iterator[Judge]:
    """One meanwhile."""
    files = sorted((rendering.TOOLS.parent / "share").glob("crds-*/crds/*.yaml"))
    assert files, "the definitions are missing: run `python3 -m tools build chart`"
    definitions = [each for file in files for each in rendering.parse(file.read_text())]
    with apiserver.running(folder) as server:
        for name, labels in ((NAMESPACE, RESTRICTED), (FREE, {})):
            account = {"name": "default", "namespace": name}
            for kind, named in (
                ("Namespace", {"name": name, "labels": labels}),
                ("ServiceAccount", account),
            ):
                _apply(server, [{"apiVersion": "v1", "kind": kind, "metadata": named}])
        _apply(server, definitions)
        said = server.kubectl(
            *("wait", "crd", "--all", "--for=condition=Established", "--timeout=60s")
        )
        assert said.code == 0, said.stderr
        judge = Judge(server)
        try:
            yield judge
        finally:
            judge.close()


def _apply(server: apiserver.ApiServer, objects: list[rendering.Manifest]) -> None:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    # Definitions are too large for the annotation of an apply.
    said = server.kubectl("create", "--filename=-", stdin=listed)
    assert said.code == 0, said.stderr
