"""One tool as a value: a Go module or a wheel, and what is built or copied from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tools.gomod import required
from tools.wheels import pinned

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Binary:
    """One executable of a tool.

    `version` are the arguments that make it print its version and `prints` is how that line starts.
    Both may contain the placeholders of `Tool.ldflags`; without them it cannot be verified, and is
    never used from PATH. `{path}` in `prints` is the path that it was run by. `alias` is its usual
    name where that differs from ours; `.tools/share/<tool>/bin` has the binary under that name too.
    `member` is its path in a wheel that does not install it as a script.
    """

    name: str
    package: str
    version: tuple[str, ...] = ()
    prints: str = ""
    alias: str = ""
    member: str = ""


@dataclass(frozen=True)
class Asset:
    """A file or folder of the module that a tool needs at run time, copied to `.tools/share`."""

    source: str
    target: str
    executable: bool = False


@dataclass(frozen=True)
class Tool:
    """A Go module and what is built from it, or a wheel (`wheel`: its project on PyPI).

    `ldflags` may contain `{version}` (as in go.mod, with the v), `{bare}` (without it), `{major}`,
    `{minor}` and `{client_go_minor}`, the Kubernetes minor version that its client-go belongs to.
    `seconds` is the build time on 2 cores with an empty cache.
    """

    name: str
    module: str
    binaries: tuple[Binary, ...]
    seconds: int
    ldflags: str = ""
    tags: str = ""
    cgo: bool = True
    assets: tuple[Asset, ...] = ()
    wheel: str = ""
    root: Path = field(default=HERE, repr=False)

    @property
    def folder(self) -> Path:
        """The folder of its pin."""
        return self.root / self.name

    @property
    def locks(self) -> tuple[Path, ...]:
        """The files that pin it, with hashes, and the source of a tool of our own."""
        names = ("requirements.txt",) if self.wheel else ("go.mod", "go.sum")
        source = sorted(self.folder.glob("*.go"))
        return (*(self.folder / name for name in names), *source)

    @property
    def version(self) -> str:
        """The pinned version, such as `v1.36.1`."""
        if self.wheel:
            return pinned(self.folder, self.wheel)
        return required(self.folder, self.module)

    def fill(self, template: str) -> str:
        """Replace the placeholders of a template with the pinned versions."""
        values = {"version": self.version, "bare": self.version.removeprefix("v")}
        values["major"], values["minor"] = values["bare"].split(".")[:2]
        if "{client_go_minor}" in template:
            values["client_go_minor"] = required(self.folder, "k8s.io/client-go").split(".")[1]
        for name, value in values.items():
            template = template.replace(f"{{{name}}}", value)
        return template
