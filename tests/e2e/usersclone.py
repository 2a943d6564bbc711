"""A clone of the repository that Argo CD follows, as a user has one; at the end all is as it was.

Pages of the documentation are walked in it: it has a branch `main`, and pushes to the branch that
is followed. Asserts nothing.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import netns, web
from sandbox.gitops import BRANCH
from sandbox.layout import REGISTRY
from tests.docs.walkthrough import Checkout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .loop import Loop

SETTINGS = """\
[user]
name = You
email = you@example.org
[push]
default = upstream
[commit]
gpgSign = false
"""


@contextmanager
def cloned(loop: Loop, folder: Path, **environ: str) -> Iterator[Checkout]:
    """The clone; what is pushed from it is undone, file by file, in one commit."""
    layout = loop.layout
    (folder / "gitconfig").write_text(SETTINGS, encoding="utf-8")
    root = folder / "clone"
    made = Checkout(
        root,
        {
            "HOME": str(folder),
            "PATH": f"{Path(sys.executable).parent}:{layout.path}",
            "PYTHONPATH": str(root),
            "PYTHONDONTWRITEBYTECODE": "1",
            # As seen from where the registry and the services answer.
            "KUBECONFIG": str(layout.inner_kubeconfig),
            "HELM": layout.tool("helm4"),
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            **environ,
        },
        tuple(netns.enter_argv([])),
    )
    loop.gitops.git("clone", "--quiet", "--branch", BRANCH, loop.gitops.url, str(root))
    made.bash(f"git switch --quiet --create main --track origin/{BRANCH}").check_returncode()
    before = loop.gitops.head()
    try:
        yield made
    finally:
        made.bash(
            f"git switch --quiet --force main && git fetch --quiet"
            f" && git reset --quiet --hard origin/{BRANCH} && git read-tree -u --reset {before}"
            " && git commit --quiet --allow-empty -m 'As it was' && git push --quiet"
        ).check_returncode()
        loop.gitops.git("pull", "--quiet", "--ff-only", "origin", BRANCH)


def retire(checkout: Checkout, model: str, environments: list[str]) -> None:
    """Delete a model's Applications and pods; its files have left git already."""
    words = [f"modelctl retire {model} --env {environment}" for environment in environments]
    with ThreadPoolExecutor() as pool:
        for done in pool.map(checkout.bash, words):
            print(done.stdout, flush=True)


def same_under_another_digest(name: str, tag: str, newer: str) -> str:
    """Push an image's manifest once more with a remark in it; returns the newer's reference."""
    place = f"http://{REGISTRY}/v2/{name}/manifests"
    kinds = "application/vnd.oci.image.manifest.v1+json"
    accept = {"Accept": f"{kinds}, application/vnd.docker.distribution.manifest.v2+json"}
    reply = web.request("GET", f"{place}/{tag}", headers=accept, in_netns=True)
    manifest = json.loads(reply.body)
    manifest["annotations"] = {**manifest.get("annotations", {}), "newer": newer}
    answer = web.request(
        "PUT",
        f"{place}/{newer}",
        body=json.dumps(manifest).encode(),
        headers={"Content-Type": manifest["mediaType"]},
        in_netns=True,
    )
    return f"{REGISTRY}/{name}:{newer}@{answer.headers['docker-content-digest']}"
