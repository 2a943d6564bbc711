"""Who changed what in which environment, when and why: every event, from git alone.

Follows first parents, so that a merged pull request is one event by whoever merged or wrote it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from modelctl import proc
from modelctl.repository import aborts, gitrepo, variants
from modelctl.repository.checkout import COMMON, OVERRIDE_FILE
from modelctl.repository.environments import ALL_MODELS, FILE
from modelctl.repository.versions import short

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    Document = Mapping[str, Any]

# Separated by NUL, which none of them can contain: a subject cannot pass for another commit.
_FORMAT = "%H%x00%cI%x00%an%x00%ae%x00%s%x00"
MODEL_FILE_PARTS = 4
NO_BLOB = "0" * 40
# Of an environment in environments.yaml: these have events of their own.
_FREEZES = "freezes"


@dataclass(frozen=True)
class Event:
    """One change of one model, or of all (`*`), in one environment.

    `kind` is set-up, bump, promote, rollback, retire, settings, capacity, variant, freeze,
    unfreeze, rules, override or remove. `before` and `after` are versions, or the names of changed
    values. `override` names the rules that were left out. `why` is the reason on record, else the
    commit's subject.
    """

    when: datetime
    who: str
    email: str
    environment: str
    model: str
    kind: str
    before: str = ""
    after: str = ""
    override: str = ""
    why: str = ""
    commit: str = ""


@dataclass(frozen=True)
class _Change:
    """One file of one commit, by the ids of its contents."""

    path: str
    old: str
    new: str


def read(root: Path, direct: Collection[str]) -> list[Event]:
    """Every event, newest first; `direct` are the environments that take builds."""
    commits = list(_commits(root))
    wanted = {blob for _, changes in commits for c in changes for blob in (c.old, c.new)}
    documents = _Documents(root, wanted - {NO_BLOB})
    standing: dict[str, list[str]] = {}
    events: list[Event] = []
    for stub, changes in reversed(commits):
        found = [
            event for change in changes for event in _events(stub, change, documents, standing)
        ]
        events += _with_overrides(found)
    gone_back = {event.commit for event in events if event.kind in ("rollback", "retire")}
    told = aborts.rollback_reasons(root, gone_back)
    events = [replace(each, why=told.get(each.commit) or _why(each)) for each in events]
    return [
        replace(event, kind="bump")
        if event.kind == "promote" and event.environment in direct
        else event
        for event in reversed(events)
    ]


def _why(event: Event) -> str:
    """The subject, or of a rollback the reason in it: the event has the rest."""
    is_rollback = event.kind == "rollback"
    reason = aborts.reason_in(event.why, event.environment, event.model) if is_rollback else ""
    return reason or event.why


def _commits(root: Path) -> Iterator[tuple[Event, list[_Change]]]:
    text = gitrepo.git(
        root,
        *("log", "--first-parent", "--diff-merges=first-parent"),
        *("--raw", "--no-abbrev", "--no-renames", "--relative", "-z"),
        *(f"--format={_FORMAT}", "HEAD", "--", "environments"),
    )
    fields = iter(text.split("\0"))
    stub, changes = None, list[_Change]()
    for field in fields:
        first = field.lstrip("\n")
        if first.startswith(":"):
            _, _, old, new, _ = first.split(" ")
            changes.append(_Change(next(fields), old, new))
        elif first:
            if stub is not None:
                yield stub, changes
            when = datetime.fromisoformat(next(fields)).astimezone(UTC)
            who, email, subject = (next(fields) for _ in range(3))
            stub = Event(when, who, email, "", "", "", why=subject, commit=first)
            changes = []
    if stub is not None:
        yield stub, changes


class _Documents:
    """The YAML documents of blobs: read by one git process, parsed once and only when needed."""

    def __init__(self, root: Path, blobs: set[str]) -> None:
        ordered = sorted(blobs)
        # Random, so that no file can contain what separates it from the next one.
        separator = secrets.token_hex()
        argv = ["git", "-C", str(root), "cat-file", f"--batch={separator}%(objectname)"]
        text = proc.run(argv, stdin="".join(f"{blob}\n" for blob in ordered))
        self._texts = dict(record.partition("\n")[::2] for record in text.split(separator)[1:])
        self._parsed: dict[str, Document] = {}

    def get(self, blob: str) -> Document:
        """The mapping in a blob; empty for no file, and for one that is not a mapping."""
        if blob not in self._parsed:
            try:
                content = YAML(typ="safe").load(self._texts.get(blob, ""))
            except YAMLError:
                content = None
            self._parsed[blob] = content if isinstance(content, dict) else {}
        return self._parsed[blob]


def _events(
    stub: Event, change: _Change, documents: _Documents, standing: dict[str, list[str]]
) -> Iterator[Event]:
    parts = change.path.split("/")
    if change.path == str(FILE):
        yield from _rule_events(stub, documents.get(change.old), documents.get(change.new))
    elif len(parts) == MODEL_FILE_PARTS:
        _, environment, model, name = parts
        stub = replace(stub, environment=environment, model=model)
        if name == "version.yaml":
            yield from _version_events(stub, change, documents, standing)
        elif name == OVERRIDE_FILE and change.new != NO_BLOB:
            record = documents.get(change.new)
            rules = ", ".join(map(str, record.get("rules", [])))
            yield replace(
                stub, kind="override", override=rules, why=str(record.get("reason") or stub.why)
            )
        elif name != OVERRIDE_FILE:
            yield from _values_events(stub, name.removesuffix(".yaml"), change, documents)
    elif len(parts) == MODEL_FILE_PARTS + 1 and parts[3] == variants.FOLDER:
        name = parts[4].removesuffix(".yaml")
        before, after = (_variant(name, documents.get(b)) for b in (change.old, change.new))
        if before != after:
            stub = replace(stub, environment=parts[1], model=parts[2])
            yield replace(stub, kind="variant", before=before, after=after)
    elif len(parts) == MODEL_FILE_PARTS - 1 and parts[2] == COMMON:
        stub = replace(stub, environment=parts[1], model=ALL_MODELS)
        yield from _values_events(stub, "settings", change, documents)


def _version_events(
    stub: Event, change: _Change, documents: _Documents, standing: dict[str, list[str]]
) -> Iterator[Event]:
    """A return to a version below the one that ran is a rollback, whatever the commit says.

    `standing` has the versions of each file that nobody rolled back from, oldest first.
    """
    before, after = documents.get(change.old), documents.get(change.new)
    stack, identity = standing.setdefault(change.path, []), _identity(after)
    kind = "promote"
    if change.old != NO_BLOB and identity in stack[:-1]:
        kind = "rollback"
        del stack[stack.index(identity) + 1 :]
    elif change.new != NO_BLOB:
        stack[:] = [each for each in stack if each != identity] + [identity]
    if change.new == NO_BLOB:
        kind = "retire"
    if _identity(before) != _identity(after) or NO_BLOB in (change.old, change.new):
        yield replace(stub, kind=kind, before=_version(before), after=_version(after))


def _identity(version: Document) -> str:
    """What makes two versions the same, whatever their comments and order of keys."""
    parts = (version.get("image"), version.get("model"), version.get("chart"))
    return repr([sorted(part.items()) if isinstance(part, dict) else part for part in parts])


def _version(content: Document) -> str:
    model = content.get("model")
    if not isinstance(model, dict):
        return ""
    return f"{model.get('version', '?')} {short(str(model.get('digest', '')))}"


def _variant(name: str, content: Document) -> str:
    """The variant in a file, and what is sent to it; empty without one."""
    known = content.get(variants.FOLDER)
    found = known.get(name) if isinstance(known, dict) else None
    if not isinstance(found, dict):
        return ""
    mirror = found.get("mirror")
    share = f"{found.get('share', 0)} %"
    if isinstance(mirror, dict):
        share = f"shadow of {mirror.get('percent', '?')} %"
    return f"{name} {_version(found)} {share}"


def _values_events(
    stub: Event, kind: str, change: _Change, documents: _Documents
) -> Iterator[Event]:
    """Names of values only: a value may be what nobody wants in a report."""
    if change.old == NO_BLOB:
        yield replace(stub, kind="set-up", after=kind)
    elif change.new == NO_BLOB:
        yield replace(stub, kind="remove", before=kind)
    else:
        before, after = (dict(_leaves(documents.get(b))) for b in (change.old, change.new))
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if names:
            yield replace(stub, kind=kind, after=", ".join(names))


def _leaves(content: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif prefix:
        yield prefix, content


def _rule_events(stub: Event, before: Document, after: Document) -> Iterator[Event]:
    old, new = _by_name(before), _by_name(after)
    for name in {**old, **new}:
        here = replace(stub, environment=name, model=ALL_MODELS)
        if name not in old or name not in new:
            gone = name not in new
            kind = "remove" if gone else "set-up"
            gone_or_new = ("environment", "") if gone else ("", "environment")
            yield replace(here, kind=kind, before=gone_or_new[0], after=gone_or_new[1])
        freezes = [each.get(name, {}).get(_FREEZES) or {} for each in (old, new)]
        yield from _freeze_events(here, *freezes)
        if name in old and name in new:
            keys = [
                key
                for key in {**old[name], **new[name]}
                if key != _FREEZES and old[name].get(key) != new[name].get(key)
            ]
            if keys:
                yield replace(here, kind="rules", after=", ".join(keys))


def _by_name(content: Document) -> dict[str, dict[str, Any]]:
    entries = content.get("environments")
    return {
        str(entry.get("name", "")): entry
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
    }


def _freeze_events(stub: Event, before: Document, after: Document) -> Iterator[Event]:
    for model in {**before, **after}:
        old, new = before.get(model), after.get(model)
        if old == new:
            continue
        here = replace(stub, model=str(model))
        if new is None:
            yield replace(here, kind="unfreeze", before=_until(old))
        else:
            reason = str(new.get("reason") or stub.why) if isinstance(new, dict) else stub.why
            yield replace(here, kind="freeze", before=_until(old), after=_until(new), why=reason)


def _until(freeze: object) -> str:
    return f"until {freeze.get('until', '?')}" if isinstance(freeze, dict) else ""


def _with_overrides(events: list[Event]) -> list[Event]:
    """A version that came with the record of an override is one event."""
    overrides = {(e.environment, e.model): e for e in events if e.kind == "override"}
    merged = []
    for event in events:
        record = overrides.get((event.environment, event.model))
        if record and event.after and event.kind in ("promote", "bump", "rollback"):
            merged.append(replace(event, override=record.override, why=record.why))
            del overrides[event.environment, event.model]
        elif event.kind != "override":
            merged.append(event)
    return [*merged, *overrides.values()]
