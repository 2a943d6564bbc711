"""Compare what two versions answer to the same rows: captured requests asked again, or a mirror.

Every row is compared, so that nothing is estimated: how many answers change, by how much, and for
which kind of rows most. Reads the service's captures (app/observability/capture.py) through
`modelctl/drift/captured.py`, and never the files of a cluster.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.errors import BundleRefusedError, RequestError
from app.model import engine
from app.model.contract import Contract
from app.model.validation import Validator
from modelctl.drift import captured
from modelctl.errors import ModelctlError, RefusedError
from modelctl.service.client import RefusedRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from app.model.bundle import Bundle
    from modelctl.service.client import Client

    Row = dict[str, Any]
    Features = dict[str, Any]
    # Features of some rows -> the answer to each, or why it is refused.
    Ask = Callable[[list[Features]], list["Answer"]]

CHUNK_ROWS = 100  # as many as a service takes by default
OTHER_VERSION = "answered by another version"
NO_PREDICTION = "captured without its prediction"
NO_FEATURE = "captured without a feature of the candidate"


@dataclass(frozen=True)
class Answer:
    """The prediction for a row, or the reason why the row was refused."""

    prediction: Any = None
    refusal: str = ""


@dataclass(frozen=True)
class Pair:
    """A row, what was answered, and what the candidate answers."""

    key: tuple[str, int]
    features: Features
    before: Any
    after: Answer


@dataclass(frozen=True)
class Candidate:
    """What is asked again: its features, the digest of its bundle, and the way to ask it."""

    names: list[str]
    digest: str
    ask: Ask


@dataclass
class Pairs:
    """All pairs, the bundles that answered, and how many rows could not be compared, by reason."""

    pairs: list[Pair] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)
    candidates: set[str] = field(default_factory=set)
    skipped: dict[str, int] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """Rows of the release that nobody can judge the candidate by."""
        return sum(self.skipped.get(reason, 0) for reason in (NO_PREDICTION, NO_FEATURE))

    def skip(self, reason: str, rows: int = 1) -> None:
        """Count rows that cannot be compared."""
        if rows:
            self.skipped[reason] = self.skipped.get(reason, 0) + rows


def of_candidate(paths: Sequence[Path], candidate: Candidate, baseline: str = "") -> Pairs:
    """Ask every captured row again, each once; with `baseline` those that this bundle answered.

    Raises ModelctlError.
    """
    found = Pairs(candidates={candidate.digest})
    needed = set(candidate.names)
    seen: set[bytes] = set()
    usable: list[Row] = []
    absent: set[str] = set()
    for row in captured.rows(paths):
        if baseline and row.get("digest") != baseline:
            found.skip(OTHER_VERSION)
        elif row["prediction"] is None:
            found.skip(NO_PREDICTION)
        elif missing := needed - row["features"].keys():
            absent |= missing
            found.skip(NO_FEATURE)
        elif (identity := hashlib.sha256(json.dumps(row).encode()).digest()) in seen:
            found.skip("captured twice")
        else:
            seen.add(identity)
            usable.append(row)
    if not usable:
        lacking = f"; lacking {', '.join(sorted(absent))[:300]}" if absent else ""
        raise ModelctlError(
            "no captured row can be asked again",
            expected=f"rows with the candidate's features: {', '.join(candidate.names)[:300]}",
            found=_skipped(found) + lacking,
            fix="a feature in CAPTURE_EXCLUDE, or a new one, cannot be replayed; compare a mirror "
            "with --against",
        )
    for chunk in _chunks(usable):
        answers = candidate.ask([row["features"] for row in chunk])
        for row, answer in zip(chunk, answers, strict=True):
            found.digests.add(str(row.get("digest")))
            found.pairs.append(Pair(_key(row), row["features"], row["prediction"], answer))
    return found


def of_mirror(paths: Sequence[Path], others: Sequence[Path], baseline: str = "") -> Pairs:
    """Join two captures by request id and row: a primary and its shadow.

    With `baseline` only rows that this bundle answered count. Raises ModelctlError.
    """
    found = Pairs()
    first, second = _unique(paths, found), _unique(others, found)
    shared = [key for key in first if key in second]
    found.skip("in one capture only", len(first) + len(second) - 2 * len(shared))
    for key in shared:
        one, other = first[key], second[key]
        names = one["features"].keys() & other["features"].keys()
        if baseline and one.get("digest") != baseline:
            found.skip(OTHER_VERSION)
        elif one["prediction"] is None or other["prediction"] is None:
            found.skip(NO_PREDICTION)
        elif any(one["features"][name] != other["features"][name] for name in names):
            found.skip("of the same request id and other features")
        else:
            found.digests.add(str(one.get("digest")))
            found.candidates.add(str(other.get("digest")))
            answer = Answer(other["prediction"])
            found.pairs.append(Pair(key, one["features"], one["prediction"], answer))
    if not found.pairs:
        raise ModelctlError(
            "no row is in both captures",
            expected="the same request ids: a mirror that keeps x-request-id, and CAPTURE_RATIO 1 "
            "on both sides",
            found=_skipped(found),
        )
    return found


def asking_bundle(bundle: Bundle) -> Candidate:
    """A bundle, asked by its engine in this process. Raises RefusedError."""
    contract = Contract.from_manifest(bundle.manifest)
    try:
        loaded = engine.load(bundle, contract)
    except BundleRefusedError as error:
        raise RefusedError(
            error.what, expected=error.expected, found=error.found, fix=error.fix
        ) from error
    validator = Validator(contract)

    def predict(rows: list[Features]) -> list[Answer]:
        locs: list[tuple[str | int, ...]] = [("features",)] * len(rows)
        prediction = loaded.predict(validator.batch(rows, locs, len(rows)))
        return [Answer(value) for value in prediction.values]

    return Candidate(list(contract.names), bundle.digest, _in_halves(predict, RequestError))


def asking_service(client: Client) -> Candidate:
    """A running service. Raises ModelctlError if none answers."""
    info = client.get("/model/info")
    names = [entry["name"] for entry in info["inputs"]]

    def predict(rows: list[Features]) -> list[Answer]:
        response = client.post("/predict/batch", {"instances": rows})
        return [Answer(entry["prediction"]) for entry in response["predictions"]]

    return Candidate(names, info["digest"], _in_halves(predict, RefusedRequestError))


def _in_halves(predict: Ask, refused: type[Exception]) -> Ask:
    """Ask all rows at once; if that is refused, each half, so that one row costs few requests."""

    def ask(rows: list[Features]) -> list[Answer]:
        try:
            return predict(rows)
        except refused as error:
            if len(rows) == 1:
                return [Answer(refusal=_reason(error))]
        half = len(rows) // 2
        return [*ask(rows[:half]), *ask(rows[half:])]

    return ask


def _reason(error: Exception) -> str:
    text = error.detail if isinstance(error, RequestError) else getattr(error, "found", "")
    return str(text)[:200] or str(error)[:200]


def _unique(paths: Sequence[Path], found: Pairs) -> dict[tuple[str, int], Row]:
    """The rows by key; those whose key comes twice belong to nobody."""
    rows: dict[tuple[str, int], Row] = {}
    twice: set[tuple[str, int]] = set()
    for row in captured.rows(paths):
        key = _key(row)
        if key in rows:
            twice.add(key)
        rows[key] = row
    for key in twice:
        del rows[key]
    found.skip("of a request id that comes twice", len(twice))
    return rows


def _skipped(found: Pairs) -> str:
    return ", ".join(f"{rows:,} rows {reason}" for reason, rows in found.skipped.items())


def _key(row: Row) -> tuple[str, int]:
    return str(row["request_id"]), int(row["row"])


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, CHUNK_ROWS)):
        yield chunk
