"""Images of the models: built from committed files and a bundle, pushed, named by digest.

A content key of all inputs decides whether an image has to be built; the registry is asked whether
it still has the result. Must not know environments or releases.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import web
from sandbox.base import ensure_base
from sandbox.errors import SandboxError
from sandbox.layout import REGISTRY, Layout
from sandbox.process import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.buildah import Buildah
    from sandbox.bundles import Bundle
    from sandbox.gitops import GitOps

# The committed files of the build context. Of `requirements` only the files it reads count.
CONTEXT = (".dockerignore", "Dockerfile", "app", "requirements")
TARGET = "model"
# Which locked requirements each engine needs in the image.
REQUIREMENTS = {"onnx": "serve", "sklearn": "serve-sklearn"}
# The sklearn engine's, where the manifest records one of these libraries.
BOOSTERS = frozenset({"catboost", "lightgbm", "xgboost"})
BOOSTER_REQUIREMENTS = "serve-boosters"
# Variables that may name the user's trusted CAs; the first file that exists is used in builds.
_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
_SYSTEM_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Image:
    """A pushed image: pulled by its digest; the tag is for readers."""

    repository: str
    tag: str
    digest: str

    @property
    def values(self) -> dict[str, str]:
        """As the chart names it in its values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}"


def content_key(inputs: Mapping[str, str]) -> str:
    """Return one hash of the named input hashes, whatever their order."""
    return hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()


def inputs_of(gitops: GitOps, base: str, bundle: Bundle) -> dict[str, str]:
    """Return the hash of everything that goes into the bundle's image."""
    requirements = ("requirements/uv.txt", f"requirements/{requirements_of(bundle)}.txt")
    files = {path: gitops.object_id(path) for path in (*CONTEXT[:-1], *requirements)}
    return {**files, "target": TARGET, "base image": base, "bundle": bundle.digest}


def ensure_image(layout: Layout, buildah: Buildah, gitops: GitOps, bundle: Bundle) -> Image:
    """Build and push the bundle's image unless the registry has it; return it.

    Raises SandboxError when the build or the push fails.
    """
    key = key_of(layout, buildah, gitops, bundle)
    record = layout.cache / "built" / f"{key}.json"
    known = read_record(record)
    if known is not None and in_registry(known):
        return known
    build(layout, buildah, gitops, bundle, key)
    image = push(layout, buildah, bundle, key, tag_of(bundle, key))
    write_file(record, json.dumps(asdict(image)) + "\n", 0o644)
    return image


def key_of(layout: Layout, buildah: Buildah, gitops: GitOps, bundle: Bundle) -> str:
    """Return the content key of the bundle's image; builds the base image if it is missing."""
    return content_key(inputs_of(gitops, ensure_base(layout, buildah), bundle))


def tag_of(bundle: Bundle, key: str) -> str:
    """Return the tag under which the image is released."""
    return f"{bundle.version}-{key[:12]}"


def build(layout: Layout, buildah: Buildah, gitops: GitOps, bundle: Bundle, key: str) -> None:
    """Build the image with that content key unless the storage has it. Raises SandboxError."""
    local = _local_name(bundle, key)
    if not buildah.has_image(local):
        _build(layout, buildah, gitops, bundle, ensure_base(layout, buildah), local)


def push(layout: Layout, buildah: Buildah, bundle: Bundle, key: str, tag: str) -> Image:
    """Push the image with that content key as `tag` and return it. Raises SandboxError."""
    repository = f"{REGISTRY}/{bundle.model}"
    label = f"{bundle.model} {bundle.version}: push"
    log = layout.logs / f"push-{bundle.model}.log"
    local = _local_name(bundle, key)
    digest = buildah.push(label, local, f"{repository}:{tag}", log=log)
    return Image(repository, tag, digest)


def requirements_of(bundle: Bundle) -> str:
    """Return which requirements the bundle's engine and libraries need. Raises SandboxError."""
    if bundle.engine not in REQUIREMENTS:
        raise SandboxError(
            f"unknown engine in the bundle of {bundle.model}",
            found=bundle.engine,
            expected=" or ".join(sorted(REQUIREMENTS)),
            fix="package the model again with this version of modelctl",
        )
    if bundle.engine == "sklearn" and BOOSTERS & bundle.libraries:
        return BOOSTER_REQUIREMENTS
    return REQUIREMENTS[bundle.engine]


def read_record(path: Path) -> Image | None:
    """Return the image that was pushed for a content key; None when there is no record."""
    try:
        return Image(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def in_registry(image: Image) -> bool:
    """Return whether the registry still has exactly this image: records outlive `make down`."""
    name = image.repository.removeprefix(f"{REGISTRY}/")
    url = f"http://{REGISTRY}/v2/{name}/manifests/{image.digest}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    return web.request("HEAD", url, headers=accept, in_netns=True).status == 200


def host_ca_bundle(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of CAs that this host trusts; None when there is none."""
    for name in (*(environ.get(variable, "") for variable in _CA_VARIABLES), _SYSTEM_CA_BUNDLE):
        if Path(name).is_file():
            return Path(name)
    return None


def _local_name(bundle: Bundle, key: str) -> str:
    return f"localhost/ml-model-sandbox/{bundle.model}:{key[:12]}"


def _build(
    layout: Layout, buildah: Buildah, gitops: GitOps, bundle: Bundle, base: str, local: str
) -> None:
    context = layout.cache / "context" / bundle.model
    gitops.export(CONTEXT, context)
    bundle_folder = Path("build") / "bundles" / bundle.model
    shutil.copytree(bundle.folder, context / bundle_folder)
    seconds = buildah.build(
        f"{bundle.model} {bundle.version}: build",
        context,
        log=layout.logs / f"build-{bundle.model}.log",
        tag=local,
        target=TARGET,
        arguments={
            "PYTHON_IMAGE": base,
            "REQUIREMENTS": requirements_of(bundle),
            "BUNDLE": str(bundle_folder),
            "TITLE": bundle.model,
            "VERSION": bundle.version,
        },
        ca_bundle=host_ca_bundle(),
    )
    shutil.rmtree(context)
    print(f"  {bundle.model} {bundle.version}: built in {seconds:.0f} s", flush=True)
