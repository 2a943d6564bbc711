"""The API server accepts what both Helms render for every release, test pods included."""

from __future__ import annotations

import json

import pytest

from tests import rendering

from .loop import Loop


@pytest.mark.parametrize("helm", rendering.HELMS)
@pytest.mark.parametrize("release", rendering.releases(), ids="-".join)
def test_the_api_server_accepts_the_render(loop: Loop, helm: str, release: tuple[str, str]) -> None:
    environment, model = release
    version = loop.found / "environments" / environment / model / "version.yaml"
    manifests = rendering.template(
        helm,
        rendering.CHART,
        model,
        rendering.namespace_of(environment),
        *rendering.release_values(environment, model, version),
    )
    answer = loop.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--field-manager=argocd-controller"),
        *("--filename=-", "--output=name"),
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}),
        check=False,
    )
    assert "Warning" not in answer, answer
    assert len(answer.split()) == len(manifests), answer
