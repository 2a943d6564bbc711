"""The bill of materials of an image, as CycloneDX 1.6; reproducible.

With an inventory of the image it lists the installed packages, and refuses an image with Python
packages that are not locked. Without one it lists the locked requirements, and records that source.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from modelctl.errors import ModelctlError, RefusedError
from modelctl.supply import trainer
from modelctl.supply.requirements import Requirement, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.model.bundle import Bundle
    from modelctl.supply.trainer import Origins

# A namespace for serial numbers: the same content has the same serial number.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/ml-model/sbom")
_SOURCE = "ml-model:source"


@dataclass(frozen=True)
class Subject:
    """An image: what it is called, and what is in it beside packages."""

    name: str
    version: str
    created: str
    parts: tuple[Component, ...]


def of_model(bundle: Bundle) -> Subject:
    """The image of a model."""
    manifest = bundle.manifest
    return Subject(manifest["name"], manifest["version"], manifest["created"], (_model(bundle),))


def of_trainer(commit: str, created: str, origins: Origins) -> Subject:
    """The image of the trainer, built from a commit."""
    codes = (_training(name, entry["commit"] or "") for name, entry in sorted(origins.items()))
    return Subject(trainer.NAME, commit, created, tuple(codes))


def document(
    subject: Subject,
    requirements: Mapping[str, Requirement],
    *,
    image: str = "",
    inventory: Mapping[str, Any] | None = None,
) -> str:
    """The bill of materials as JSON. Raises RefusedError, ModelctlError."""
    root = Component(
        name=subject.name,
        version=subject.version,
        type=ComponentType.CONTAINER,
        bom_ref=f"image:{subject.name}",
        purl=_image_purl(subject.name, image) if image else None,
        properties=[Property(name=_SOURCE, value="inventory" if inventory else "requirements")],
    )
    parts = [*subject.parts, *_parts(requirements, inventory)]
    bom = Bom(components=parts)
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromisoformat(subject.created)
    bom.register_dependency(root, parts)
    listed = "\n".join(sorted(str(part.bom_ref.value) for part in parts))
    bom.serial_number = uuid.uuid5(_NAMESPACE, f"{image}\n{listed}")
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ModelctlError(
            "the bill of materials is not valid CycloneDX 1.6", found=str(error)[:300]
        )
    return f"{text}\n"


def _parts(
    requirements: Mapping[str, Requirement], inventory: Mapping[str, Any] | None
) -> Iterable[Component]:
    if inventory is None:
        return [_python(entry, "") for entry in requirements.values()]
    packages = {canonical(entry["name"]): entry for entry in inventory["python_packages"]}
    locked = {name: entry.version for name, entry in requirements.items()}
    unlocked = [
        f"{name} {entry['version']}"
        for name, entry in packages.items()
        if locked.get(name) != entry["version"]
    ]
    if unlocked:
        raise RefusedError(
            "the image contains Python packages that are not locked",
            expected="the packages and versions in its requirements file",
            found=", ".join(sorted(unlocked)),
            fix="rebuild the image from this commit, or pass the --locks that it was built with",
        )
    system = inventory["system"]
    return [
        *(_python(requirements[name], entry["license"]) for name, entry in packages.items()),
        *(_debian(entry, system) for entry in inventory["debian_packages"]),
        Component(
            name="python",
            version=inventory["python"],
            type=ComponentType.PLATFORM,
            bom_ref="platform:python",
            purl=PackageURL("generic", None, "python", inventory["python"]),
        ),
    ]


def _model(bundle: Bundle) -> Component:
    manifest = bundle.manifest
    properties = {
        "engine": manifest["engine"],
        "training-commit": manifest["training"]["commit"],
        "training-data-sha256": manifest["training"]["data_sha256"],
    }
    return Component(
        name=manifest["name"],
        version=manifest["version"],
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"bundle:{bundle.digest}",
        description=manifest.get("description", ""),
        # The hash of the manifest, which pins every file of the bundle.
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=bundle.digest.removeprefix("sha256:"))],
        properties=[
            Property(name=f"ml-model:{key}", value=str(value)) for key, value in properties.items()
        ],
    )


def _training(model: str, commit: str) -> Component:
    return Component(
        name=model,
        version=commit,
        type=ComponentType.APPLICATION,
        bom_ref=f"training:{model}",
        description=f"Training code of {model}",
    )


def _python(entry: Requirement, license_expression: str) -> Component:
    purl = PackageURL("pypi", None, entry.name, entry.version)
    page = f"https://pypi.org/project/{entry.name}/{entry.version}/"
    return Component(
        name=entry.name,
        version=entry.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=[LicenseExpression(license_expression)] if license_expression else [],
        # One hash per permitted file; pip verified that the installed one is among them.
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(page),
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in entry.sha256],
            )
        ],
    )


def _debian(entry: Mapping[str, str], system: Mapping[str, str]) -> Component:
    qualifiers = {"arch": entry["architecture"]}
    if system["ID"]:
        qualifiers["distro"] = f"{system['ID']}-{system['VERSION_ID']}"
    purl = PackageURL("deb", "debian", entry["name"], entry["version"], qualifiers)
    return Component(
        name=entry["name"],
        version=entry["version"],
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
    )


def _image_purl(name: str, image: str) -> PackageURL:
    repository, _, digest = image.partition("@")
    return PackageURL("oci", None, name, digest, {"repository_url": repository})


def names(text: str) -> dict[str, str]:
    """Name and version of every library in a bill of materials."""
    components = json.loads(text)["components"]
    return {entry["name"]: entry["version"] for entry in components if entry["type"] == "library"}
