"""Images that only tests need, in the sandbox's registry: the runtime alone, a bundle alone."""

from __future__ import annotations

import json
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

# Of every model in the image of the trainer.
ORIGIN = {"commit": "0123456789abcdef" * 2 + "01234567", "created": "2026-11-28T00:00:00Z"}


def runtime(loop: Loop, folder: Path) -> Image:
    """The `runtime` target of the Dockerfile, with what both engines need, and no model."""
    return variant(loop, folder, "runtime", "serve-sklearn")


def fetch(loop: Loop, folder: Path) -> Image:
    """The `fetch` target of the Dockerfile, which downloads bundles."""
    return variant(loop, folder, "fetch", "fetch")


def variant(
    loop: Loop, folder: Path, target: str, requirements: str, *, no_cache: bool = False
) -> Image:
    """A target of the Dockerfile as committed at first; `no_cache` from the base image alone."""
    name = f"{target}-{requirements}"
    context = folder / name
    if not context.exists():
        # Other tests commit code that fails.
        loop.gitops.export(("modelctl", "models", *CONTEXT), context, loop.start)
        _write_origins(context)
    arguments = {
        "PYTHON_IMAGE": ensure_base(loop.layout, open_storage(loop.layout)),
        "REQUIREMENTS": requirements,
    }
    return _push(loop, context, name, "test", target=target, arguments=arguments, no_cache=no_cache)


def _write_origins(context: Path) -> None:
    """What `make trainer-inputs` writes: a model's commit, which a test may ask for again."""
    record = context / "build/trainer/origins.json"
    record.parent.mkdir(parents=True)
    models = sorted(path.parent.name for path in context.glob("models/*/model.yaml"))
    record.write_text(json.dumps(dict.fromkeys(models, ORIGIN)), encoding="utf-8")


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
