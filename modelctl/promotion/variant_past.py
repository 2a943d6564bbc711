"""Where and for how long an image and a bundle ran, as a release or as a variant, from git.

Only commits on the branch itself count (its first parents), as Argo CD saw them.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from modelctl.cluster import evidence
from modelctl.promotion import rules, variant_rules
from modelctl.promotion.variant_rules import Past
from modelctl.repository import aborts, replays, trees, variants, verifications
from modelctl.repository.versions import Version

if TYPE_CHECKING:
    from datetime import datetime

    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment
    from modelctl.repository.variants import Artifacts, Content

    Found = tuple[Artifacts, Version | None]


def change_violations(
    repository: Repository,
    environment: Environment,
    model: str,
    before: Content | None,
    content: Content,
    now: datetime,
    commit: str = "HEAD",
) -> list[str]:
    """Why the content of a variant may not change to this; what is known up to a commit counts."""
    artifacts = content.artifacts
    found = []
    if before is None or before.artifacts != artifacts:
        found = entry_violations(repository, environment, model, content, now, commit)
    if content.serves_more(before):
        found += abort_violations(repository, environment, model, artifacts, commit)
    if content.starts_serving(before):
        found += replay_violations(repository, environment, model, artifacts, commit)
    return found


def entry_violations(
    repository: Repository,
    environment: Environment,
    model: str,
    content: Content,
    now: datetime,
    commit: str = "HEAD",
) -> list[str]:
    """Why the content of a variant may not enter an environment; what ran up to a commit counts.

    What ran there already may come back.
    """
    if environment.promotion == "auto":
        return rules.window_violations(model, environment, now)
    root = repository.root
    if read(root, environment, model, content, now, commit).ran is not None:
        return []
    pasts = [
        read(root, each, model, content, now, commit) for each in repository.previous(environment)
    ]
    return variant_rules.entry_violations(model, environment, content, pasts, now)


def abort_violations(
    repository: Repository,
    environment: Environment,
    model: str,
    artifacts: Artifacts,
    commit: str = "HEAD",
) -> list[str]:
    """Why an image and a bundle may get no users: a Rollout aborted them on the way here, or here.

    What was there before the abort may stay, and shrink.
    """
    if environment.promotion == "auto":
        return []
    image, bundle = artifacts
    way = repository.way_to(environment)
    known = (aborts.of_variant(repository, each, model, artifacts, commit) for each in way)
    version = Version(image=image, model=bundle)
    return rules.abort_violations(model, version, [each for each in known if each])


def replay_violations(
    repository: Repository,
    environment: Environment,
    model: str,
    artifacts: Artifacts,
    commit: str = "HEAD",
) -> list[str]:
    """Why an image and a bundle may not answer users beside the release, or instead of it.

    A shadow answers nobody, so that it needs no replay.
    """
    bundle = artifacts[1]
    asked = replays.in_history(repository, environment, model, bundle.digest, commit)
    return rules.replay_violations(model, environment, bundle.version, asked)


def read(
    root: Path,
    environment: Environment,
    model: str,
    content: Content,
    now: datetime,
    commit: str = "HEAD",
) -> Past:
    """What is known of an image and a bundle in an environment, up to a commit."""
    folder = f"environments/{environment.name}/{model}"
    specs = (f":(literal){folder}/version.yaml", f":(glob){folder}/{variants.FOLDER}/*.yaml")
    log = trees.first_parent_log(root, commit, specs)
    texts = trees.contents(root, {entry.oid for _, _, entry in log if entry is not None})
    until: dict[str, datetime] = {}
    same: dict[str, timedelta] = {}
    longest: timedelta | None = None
    release: Version | None = None
    for head, path, entry in log:  # newest first
        since = evidence.committed(head.split(" ")[1]) or now
        found = _artifacts(path, texts[entry.oid]) if entry is not None else None
        if found is not None and found[0] == content.artifacts:
            # A changed share or chart goes on from what was there before.
            same[path] = same.get(path, timedelta()) + (until.get(path, now) - since)
            longest = max(longest or timedelta(), same[path])
            release = release or found[1]
        else:
            same.pop(path, None)
        until[path] = since
    passed = verifications.passed(root, environment, model, release) if release else ()
    return Past(environment, longest, release, passed)


def _artifacts(path: str, text: bytes) -> Found | None:
    """Image and bundle in a file, and its version if it is a version file."""
    content = variants.content_in(Path(path), text)
    if isinstance(content, Version):
        return (content.image, content.model), content
    if content is None or content.replica_count == 0:  # no pod of it ever ran
        return None
    return content.artifacts, None
