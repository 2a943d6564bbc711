"""Folders of the node as volumes of pods, and a bundle in one. Asserts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ad_hoc import NAMESPACE, Values

if TYPE_CHECKING:
    from pathlib import Path

    from app.model.bundle import Bundle
    from tests.rendering import Manifest


def mounted(bundle: Bundle, claim: str) -> Values:
    """The chart's `model` for a release that mounts this bundle of iris from a claim."""
    return {
        "name": "iris",
        "version": bundle.manifest["version"],
        "digest": bundle.digest,
        "claim": {"name": claim},
    }


def volume(name: str, folder: Path, mode: str) -> list[Manifest]:
    """A folder of the node as a volume of any number of pods, and the claim on it."""
    shared = {"accessModes": [mode], "storageClassName": ""}
    size = {"storage": "1Gi"}
    claim = {**shared, "resources": {"requests": size}, "volumeName": name}
    source = {
        "capacity": size,
        "claimRef": {"name": name, "namespace": NAMESPACE},
        "hostPath": {"path": str(folder), "type": "Directory"},
        "persistentVolumeReclaimPolicy": "Retain",
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": claim,
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name},
            "spec": {**shared, **source},
        },
    ]
