"""Sign an image with a local key, attach its bill of materials and provenance, and verify them.

Uses the make targets that the workflows run; there they sign keyless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.bundles import environment
from sandbox.proc import run

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.images import Image
    from sandbox.layout import Layout

TIMEOUT_SECONDS = 300


def sign(layout: Layout, worktree: Path, model: str, image: Image) -> str:
    """Sign the image and attach bill of materials and provenance; return a summary.

    Creates the key when there is none; it lives as long as the registry. Raises CommandError.
    """
    key = _key(layout)
    # The bundle is in the clone's build folder; cosign is in this checkout.
    _make(layout, worktree, "sbom", "provenance", f"MODEL={model}", f"IMAGE={_name(image)}")
    _make(layout, layout.root, "signing-key", f"KEY={key}")
    paths = (
        f"SBOM={worktree}/build/sbom/{model}.cdx.json",
        f"PROVENANCE={worktree}/build/provenance/{model}.json",
    )
    _make(layout, layout.root, "sign", "attest", *paths, *_image_variables(image), f"KEY={key}")
    return f"signed with {key.relative_to(layout.root)}; SBOM and provenance attached"


def verify(layout: Layout, image: Image) -> str:
    """Verify that signature and attestations are by our key; return a summary.

    Raises CommandError.
    """
    public = _key(layout).with_suffix(".pub")
    targets = ("verify-signature", "verify-attestations")
    _make(layout, layout.root, *targets, *_image_variables(image), f"PUBLIC_KEY={public}")
    return "signature, SBOM and provenance verified with our key"


def _key(layout: Layout) -> Path:
    return layout.cache / "keys" / "cosign.key"


def _name(image: Image) -> str:
    return f"{image.repository}@{image.digest}"


def _image_variables(image: Image) -> tuple[str, str]:
    return f"IMAGE={_name(image)}", "IN_SANDBOX=yes"


def _make(layout: Layout, folder: Path, *words: str) -> None:
    stamp = layout.root / ".venv" / ".installed"
    argv = [
        *("make", "--no-print-directory", *words),
        # The clone has no .venv of its own, and its files are newer than the project's.
        *(f"BIN={layout.root}/.venv/bin", f"VENV={stamp}", f"--old-file={stamp}"),
    ]
    run(argv, cwd=folder, env=environment(folder), timeout_seconds=TIMEOUT_SECONDS)
