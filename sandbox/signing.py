"""Sign an image with a key of this machine, attach what it consists of, and check both.

By the make targets that the workflows run; there they sign keyless. Must not know who deploys it.
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
    """Sign the image and attach bill of materials and provenance; return words.

    The key is made when there is none, and lives as long as the registry. Raises CommandError.
    """
    key = _key(layout)
    # The bundle is in the clone's build folder; cosign is this project's.
    _make(layout, worktree, "sbom", "provenance", f"MODEL={model}", f"IMAGE={_name(image)}")
    _make(layout, layout.root, "signing-key", f"KEY={key}")
    paths = (
        f"SBOM={worktree}/build/sbom/{model}.cdx.json",
        f"PROVENANCE={worktree}/build/provenance/{model}.json",
    )
    _make(layout, layout.root, "sign", "attest", *paths, *_of(image), f"KEY={key}")
    return f"signed, with bill of materials and provenance, by {key.relative_to(layout.root)}"


def verify(layout: Layout, image: Image) -> str:
    """Fail unless signature and attestations are those of our key; return words.

    Raises CommandError.
    """
    public = _key(layout).with_suffix(".pub")
    targets = ("verify-signature", "verify-attestations")
    _make(layout, layout.root, *targets, *_of(image), f"PUBLIC_KEY={public}")
    return "signature, bill of materials and provenance are by our key"


def _key(layout: Layout) -> Path:
    return layout.cache / "keys" / "cosign.key"


def _name(image: Image) -> str:
    return f"{image.repository}@{image.digest}"


def _of(image: Image) -> tuple[str, str]:
    return f"IMAGE={_name(image)}", "IN_SANDBOX=yes"


def _make(layout: Layout, folder: Path, *words: str) -> None:
    stamp = layout.root / ".venv" / ".installed"
    argv = [
        *("make", "--no-print-directory", *words),
        # The clone has no .venv of its own, and its files are newer than the project's.
        *(f"BIN={layout.root}/.venv/bin", f"VENV={stamp}", f"--old-file={stamp}"),
    ]
    run(argv, cwd=folder, env=environment(folder), timeout_seconds=TIMEOUT_SECONDS)
