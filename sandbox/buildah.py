"""Buildah with its own storage, so that neither Docker nor the host's images are touched.

Every call runs in its own mount namespace: the overlays it mounts vanish with it, also when it is
killed. Must not know what is in the images.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox import netns
from sandbox.layout import REGISTRY, Layout
from sandbox.proc import run
from sandbox.task import run_task

# File systems that cannot hold overlays; vfs works everywhere, 2 to 3 times slower and larger.
_NO_OVERLAY_ON = frozenset({"overlay", "overlayfs", "fuse", "nfs", "nfs4", "tmpfs", "9p"})

# Seconds since 1970, written on every file and into every history: the same input is the same
# image, and a layer that did not change keeps its digest from one commit to the next.
TIMESTAMP = 0

# Where Debian, and so the official python image, keeps the bundle of trusted CAs.
IMAGE_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Buildah:
    """The buildah commands that the sandbox uses, on one storage below `home`."""

    home: Path
    driver: str

    def argv(self, *words: str | Path) -> list[str]:
        """Return the whole command for `buildah WORDS...`."""
        return [
            *("unshare", "--mount", "--propagation", "private", "buildah"),
            *("--root", str(self.home / self.driver)),
            *("--runroot", str(self.home / "run")),
            *("--storage-driver", self.driver),
            *(str(word) for word in words),
        ]

    @property
    def env(self) -> dict[str, str]:
        """Temporary files lie next to the storage: a killed build leaves nothing elsewhere."""
        return {"TMPDIR": str(self.home / "tmp")}

    def has_image(self, name: str) -> bool:
        """Return whether the storage holds the image `name`."""
        self._make_folders()
        argv = self.argv("inspect", "--type", "image", "--format", "{{.FromImageID}}", name)
        return run(argv, env=self.env, check=False).code == 0

    def build(
        self,
        label: str,
        context: Path,
        *,
        log: Path,
        tag: str,
        file: str = "Dockerfile",
        target: str = "",
        arguments: dict[str, str] | None = None,
        ca_bundle: Path | None = None,
        no_cache: bool = False,
    ) -> float:
        """Build `context` and name the result `tag`; return the seconds it took.

        `ca_bundle` replaces the image's own trusted CAs while commands run; it is mounted, so
        nothing of it stays in the image. `no_cache` reuses no layer of an earlier build.
        Raises CommandError.
        """
        # A killed build leaves files and working containers; no other build uses this storage.
        shutil.rmtree(self.home / "tmp", ignore_errors=True)
        self._make_folders()
        run(self.argv("rm", "--all"), env=self.env, timeout_seconds=300)
        options = [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
        if target:
            options.append(f"--target={target}")
        if no_cache:
            options.append("--no-cache")
        if ca_bundle is not None:
            options.append(f"--volume={ca_bundle}:{IMAGE_CA_BUNDLE}:ro")
        argv = self.argv(
            *("bud", "--isolation", "chroot", "--network", "host", "--layers"),
            # Docker's format records the id of the build container, which differs each time.
            *("--format", "oci", "--pull-never", f"--timestamp={TIMESTAMP}"),
            *("--file", context / file, "--tag", tag),
            *options,
            context,
        )
        return run_task(label, argv, env=self.env, log=log)

    def push(self, label: str, tag: str, repository: str, *, log: Path) -> str:
        """Push the image `tag` as `repository` (registry/name:tag); return its digest.

        Runs inside the sandbox's network namespace, where the registry is. Raises CommandError.
        """
        digest_file = self.home / "tmp" / "digest"
        argv = self.argv(
            *("push", "--tls-verify=false", "--digestfile", digest_file),
            *(tag, f"docker://{repository}"),
        )
        # A proxy of the user's shell cannot reach into the namespace.
        env = {**self.env, "NO_PROXY": REGISTRY, "no_proxy": REGISTRY}
        run_task(label, netns.enter_argv(argv), env=env, log=log)
        return digest_file.read_text().strip()

    def _make_folders(self) -> None:
        for name in (self.driver, "run", "tmp"):
            (self.home / name).mkdir(parents=True, exist_ok=True)


def open_storage(layout: Layout) -> Buildah:
    """Return buildah on the sandbox's image storage, which `down` keeps."""
    home = layout.cache / "images"
    home.mkdir(parents=True, exist_ok=True)
    mounts = Path("/proc/self/mountinfo").read_text()
    return Buildah(home, choose_driver(home.resolve(), mounts))


def choose_driver(home: Path, mounts: str) -> str:
    """Return the storage driver for the folder `home`, given the text of /proc/self/mountinfo."""
    best, kind = Path("/"), ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        point = Path(left.split()[4].replace("\\040", " "))
        # Of two mounts on one point the later one covers the earlier.
        if home.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, right.split()[0]
    return "vfs" if kind.partition(".")[0] in _NO_OVERLAY_ON else "overlay"
