"""Images that only tests need, in the sandbox's registry: the runtime alone, a bundle alone."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from sandbox import lock
from sandbox.base import ensure_base
from sandbox.buildah import open_storage
from sandbox.images import CONTEXT, Image, host_ca_bundle
from sandbox.layout import REGISTRY

if TYPE_CHECKING:
    from pathlib import Path

    from app.model.bundle import Bundle

    from .loop import Loop


def runtime(loop: Loop, folder: Path) -> Image:
    """The `runtime` target of the Dockerfile, with what both engines need, and no model."""
    return variant(loop, folder, "runtime", "serve-sklearn")


def fetch(loop: Loop, folder: Path) -> Image:
    """The `fetch` target of the Dockerfile, which downloads bundles."""
    return variant(loop, folder, "fetch", "fetch")


def variant(
    loop: Loop, folder: Path, target: str, requirements: str, *, no_cache: bool = False
) -> Image:
    """A target of the Dockerfile as it is committed; `no_cache` from nothing but the base image."""
    name = f"{target}-{requirements}"
    context = folder / name
    if not context.exists():
        loop.gitops.export(("modelctl", *CONTEXT), context)
    arguments = {
        "PYTHON_IMAGE": ensure_base(loop.layout, open_storage(loop.layout)),
        "REQUIREMENTS": requirements,
    }
    return _push(loop, context, name, "test", target=target, arguments=arguments, no_cache=no_cache)


def bundle(loop: Loop, bundle: Bundle, folder: Path) -> Image:
    """An image that holds a bundle's files and nothing else, under its version."""
    context = folder / "context"
    shutil.copytree(bundle.path, context / "bundle")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY bundle /\n", encoding="utf-8")
    return _push(loop, context, f"bundles/{bundle.manifest['name']}", bundle.manifest["version"])


def scratch(loop: Loop, folder: Path, name: str) -> str:
    """An image with one file of text that is nobody else's; its reference with digest alone."""
    context = folder / "context"
    context.mkdir()
    (context / "name").write_text(name, encoding="utf-8")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY name /\n", encoding="utf-8")
    image = _push(loop, context, name, "test")
    return f"{image.repository}@{image.digest}"


def local_name(name: str, tag: str = "test") -> str:
    """What buildah calls an image of ours."""
    return f"localhost/ml-model-sandbox/tests/{name}:{tag}"


def _push(
    loop: Loop,
    context: Path,
    name: str,
    tag: str,
    *,
    target: str = "",
    arguments: dict[str, str] | None = None,
    no_cache: bool = False,
) -> Image:
    buildah, layout = open_storage(loop.layout), loop.layout
    local = local_name(name, tag)
    log = layout.logs / f"tests-{name.replace('/', '-')}.log"
    repository = f"{REGISTRY}/{name}"
    # A build throws away what it finds of others.
    with lock.exclusive(wait=True):
        buildah.build(
            f"{name}: build",
            context,
            log=log,
            tag=local,
            target=target,
            arguments=arguments,
            ca_bundle=host_ca_bundle() if arguments else None,
            no_cache=no_cache,
        )
        digest = buildah.push(f"{name}: push", local, f"{repository}:{tag}", log=log)
    return Image(repository, tag, digest)
