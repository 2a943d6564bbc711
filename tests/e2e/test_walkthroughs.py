"""The walk-throughs of the documentation in the repository that a real Argo CD follows.

tests/docs runs the same pages without a cluster. Updating a fork is walked in
test_chart_promotion.py, where there is something newer to take.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sandbox import images, lock
from sandbox.buildah import open_storage
from sandbox.bundles import read_bundle
from tests.paths import ROOT

from . import usersclone
from .loop import eventually, measured

if TYPE_CHECKING:
    from pathlib import Path

    from .loop import Loop

MODEL = "churn"
TUTORIAL = ROOT / "docs/tutorial/from-new-to-production.md"
ENVIRONMENT = ROOT / "docs/how-to/add-an-environment.md"


@pytest.mark.loop
def test_a_model_from_new_to_production_and_back(loop: Loop, tmp_path: Path) -> None:
    with usersclone.cloned(loop, tmp_path) as checkout:
        bundle = checkout.root / "build/bundles" / MODEL

        def image() -> str:
            found = replace(read_bundle(loop.layout, checkout.root, bundle), folder=bundle)
            storage = open_storage(loop.layout)
            # A build throws away what it finds of others.
            with lock.exclusive(wait=True):
                return str(images.ensure_image(loop.layout, storage, loop.gitops, found))

        def newer() -> str:
            tag = checkout.environ["IMAGE"].partition("@")[0].rpartition(":")[2]
            return usersclone.same_under_another_digest(MODEL, tag, f"{tag}-newer")

        started = time.monotonic()
        try:
            checkout.walk(TUTORIAL, cluster=True, supply={"IMAGE": image, "NEWER_IMAGE": newer})
            measured("the tutorial on a cluster", time.monotonic() - started, 120)
        finally:
            undo = "git rm -rqf --ignore-unmatch environments/*/churn && git commit -qam 'No churn'"
            checkout.bash(f"git reset -q --hard; {undo}; git push -q")
            usersclone.retire(checkout, MODEL, ["dev", "staging", "production"])
    loop.wait_synced()
    eventually("nothing of it is left", lambda: left(loop), 120)


def left(loop: Loop) -> tuple[bool, str]:
    """Whether no object of the model's is there."""
    words = ("get", "applications,deployments,pods", "--all-namespaces", "--output=name")
    names = [name for name in loop.kubectl(*words).split() if MODEL in name]
    return not names, " ".join(names)


def test_an_environment_comes_and_goes(loop: Loop, tmp_path: Path) -> None:
    started = time.monotonic()
    try:
        with usersclone.cloned(loop, tmp_path) as checkout:
            checkout.walk(ENVIRONMENT, cluster=True)
            measured("an environment added and removed", time.monotonic() - started, 60)
    finally:
        argocd = ("--namespace=argocd", "--ignore-not-found")
        loop.kubectl("delete", "application", "canary-namespace", "canary-baseline", *argocd)
        loop.kubectl("delete", "namespace", "ml-canary", "--ignore-not-found")
    loop.wait_synced()
