"""What trainings left in a store: bundles by their digest, and a document for each request.

    <out>/<model>/bundles/<digest>/    the bundle; its manifest is written last
    <out>/<model>/results/<key>.json   who asked, the digest, when, and the metrics

Nothing there points to a newest one: git says what serves.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from app.model.bundle import MANIFEST, SIGNATURE, digest_of, parse
from modelctl.batch.places import folder
from modelctl.batch.refusals import translated
from modelctl.errors import RefusedError

if TYPE_CHECKING:
    from app.batch.folders import Folder
    from app.model.bundle import Bundle

BUNDLES, RESULTS = "bundles", "results"


class Result(BaseModel):
    """The document of a request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: str
    model: str
    version: str
    digest: str
    # RFC 3339, UTC.
    finished: str
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A bundle as the store has it: what its manifest says, whose hash is the digest."""

    url: str
    version: str
    digest: str


class Shelf:
    """The results of one model at a folder or URL."""

    def __init__(self, out: str, model: str) -> None:
        """Raises ModelctlError."""
        self.model = model
        self._folder: Folder = folder(f"{out.rstrip('/')}/{model}")

    def url(self, digest: str) -> str:
        """Where the bundle of a digest is."""
        return self._folder.where(_place(digest))

    def of_request(self, key: str) -> Result | None:
        """The result of a request that was answered. Raises ModelctlError."""
        with translated():
            try:
                return self._read(_name(key))
            except FileNotFoundError:
                return None

    def add(self, bundle: Bundle, key: str) -> Result:
        """Publish a bundle for a request; the first result of a request stays.

        Raises ModelctlError.
        """
        manifest = bundle.manifest
        result = Result(
            request=key,
            model=self.model,
            version=manifest["version"],
            digest=bundle.digest,
            finished=datetime.now(UTC).isoformat(timespec="milliseconds"),
            metrics=manifest["metrics"],
        )
        with translated():
            self._publish(bundle)
            document = orjson.dumps(result.model_dump(), option=orjson.OPT_INDENT_2)
            if self._folder.create(_name(key), document):
                return result
            return self._read(_name(key))

    def newest(self) -> Result | None:
        """The result that was finished last. Raises ModelctlError."""
        with translated():
            found = [self._read(name) for name in self._folder.names(RESULTS)]
        return max(found, key=lambda one: datetime.fromisoformat(one.finished), default=None)

    def stored(self, digest: str) -> Stored:
        """What the manifest of a digest says. Raises ModelctlError."""
        place = f"{_place(digest)}/{MANIFEST}"
        where = self._folder.where(place)
        with translated():
            try:
                raw = self._folder.read(place)
            except FileNotFoundError as error:
                raise RefusedError(
                    f"{where} does not exist",
                    expected="the bundle of a result",
                    fix=f"train {self.model} again",
                ) from error
            if digest_of(raw) != digest:
                raise RefusedError(
                    f"{where} is not what its result says",
                    expected=digest,
                    found=digest_of(raw),
                    fix=f"find out who wrote it; train {self.model} again",
                )
            manifest = parse(raw)
        if manifest["name"] != self.model:
            raise RefusedError(
                f"{where} belongs to another model", expected=self.model, found=manifest["name"]
            )
        return Stored(self.url(digest), manifest["version"], digest)

    def _publish(self, bundle: Bundle) -> None:
        place = _place(bundle.digest)
        there = self._folder.names(place)
        if f"{place}/{MANIFEST}" in there:
            return
        names = [*bundle.manifest["files"]]
        if (bundle.path / SIGNATURE).is_file():
            names.append(SIGNATURE)
        # Last: a bundle without its manifest is none.
        for name in (*names, MANIFEST):
            with (
                (bundle.path / name).open("rb") as source,
                self._folder.writing(f"{place}/{name}") as writing,
            ):
                shutil.copyfileobj(source, writing.stream)
                writing.commit()

    def _read(self, name: str) -> Result:
        try:
            return Result.model_validate_json(self._folder.read(name))
        except ValidationError as error:
            raise RefusedError(
                f"{self._folder.where(name)} is no result of a training",
                expected="what `modelctl train` wrote",
                found=str(error).partition("\n")[2].strip(),
                fix="remove it",
            ) from error


def answer_of(result: Result, shelf: Shelf) -> dict[str, Any]:
    """A result as it is told, with the place of its bundle."""
    return {**result.model_dump(), "url": shelf.url(result.digest)}


def _place(digest: str) -> str:
    return f"{BUNDLES}/{digest.removeprefix('sha256:')}"


def _name(key: str) -> str:
    # A key has a slash between source and id, and no dot.
    return f"{RESULTS}/{key.replace('/', '.')}.json"
