"""Health of a version by the commit statuses that Argo CD's notifications write, asked of GitHub.

A required check needs no access to the cluster then. Argo CD sets a status on the commit that it
synced: the one that brought the version, or a later one. Whoever may write statuses can write any,
in place of the one before, so the newest of the release has to be a success of the reviewed
`healthReporter`; one that somebody else wrote is never passed over.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from modelctl.errors import ModelctlError
from modelctl.repository import gitrepo, origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from modelctl.cluster.evidence import Evidence
    from modelctl.repository.checkout import Repository
    from modelctl.repository.environments import Environment

URL = "https://api.github.com/graphql"
URL_VARIABLE = "GITHUB_GRAPHQL_URL"  # GitHub sets it in workflows, for its Enterprise Server too
# The workflow's own token first: it may read statuses, while GH_TOKEN may be a bot's that writes.
TOKEN_VARIABLES = ("GITHUB_TOKEN", "GH_TOKEN")
TIMEOUT_SECONDS = 20
MAX_BYTES = 64 << 20
CHUNK = 100  # commits of one question
MAX_COMMITS = 10_000  # a hundred questions; a token of a workflow has 1,000 points an hour
SHOWN_DIGITS = 7
SHOWN_CHARACTERS = 200
SUCCESS = "SUCCESS"
PAGE = "docs/how-to/notifications.md"
_SLUG = re.compile(r"([^/:]+)/([^/]+?)(?:\.git)?/?$")
_FRAGMENT = """
fragment statuses on Commit {
  status { contexts { context state createdAt description creator { login __typename } } }
}"""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: it would carry the token to another host."""

    def redirect_request(self, *_: object) -> None:
        """No new request."""


_OPENER = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True)
class Status:
    """The newest status of a commit in one context; `creator` is `login`, or `app[bot]`."""

    commit: str
    context: str
    state: str
    when: datetime
    creator: str
    description: str

    def is_success_of(self, reporter: str) -> bool:
        """Whether this account said that all is well."""
        return self.state == SUCCESS and self.creator.casefold() == reporter.casefold()

    def __str__(self) -> str:
        return f"commit status {self.context} of {self.commit[:SHOWN_DIGITS]} by {self.creator}"


@dataclass(frozen=True)
class Statuses:
    """The statuses of commits; GitHub is asked once for each commit, whatever the release."""

    _known: dict[str, list[Status]] = field(default_factory=dict)

    def find(self, root: Path, commits: Sequence[str], context: str) -> list[Status]:
        """The statuses in a context. Raises ModelctlError if GitHub does not tell."""
        missing = [commit for commit in commits if commit not in self._known]
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            self._known.update(_read(_ask(root, chunk), chunk))
        # GitHub takes no notice of case.
        return [
            status
            for commit in commits
            for status in self._known[commit]
            if status.context.casefold() == context.casefold()
        ]


def refine(
    known: Evidence,
    statuses: Statuses,
    repository: Repository,
    environment: Environment,
    model: str,
    until: str = "HEAD",
) -> Evidence:
    """Evidence from git with the health that the `healthReporter` last reported, and since when.

    Anything but a success is no health, and an answer that does not come is none either.
    """
    context = f"argocd/{environment.name}-{model}"
    reporter, root = repository.health_reporter, repository.root
    if not known.commit:
        return replace(known, health="unknown", note="the version is not committed")
    commits = gitrepo.commits_since(root, known.commit, until, MAX_COMMITS)
    try:
        found = statuses.find(root, commits, context)
    except ModelctlError as error:
        return replace(known, health="unknown", note=" ".join(str(error).split()))
    # In the same second what is not a success counts as the newer one.
    found.sort(key=lambda status: (status.when, status.state != SUCCESS), reverse=True)
    run = list(takewhile(lambda status: status.is_success_of(reporter), found))
    if run:
        return replace(known, since=run[-1].when, record=str(run[0]), health="Healthy", note="")
    if found:
        return replace(known, health=found[0].state.lower(), note=_refusal(found[0], reporter))
    return replace(
        known,
        health="no commit status",
        note=f"{context} by {reporter} on none of {len(commits)} commits from "
        f"{known.commit[:SHOWN_DIGITS]} on; Argo CD writes it once it has synced the version and "
        f"all is well, see {PAGE}",
    )


def _refusal(status: Status, reporter: str) -> str:
    if status.creator.casefold() != reporter.casefold():
        return f"{status}, which only {reporter} may write: ask who did; see {PAGE}"
    return f"{status}: {status.description or 'no description'}"


def _ask(root: Path, commits: Sequence[str]) -> dict[str, Any]:
    """The answer to one question for the statuses of commits."""
    token = next(filter(None, map(os.environ.get, TOKEN_VARIABLES)), "")
    if not token:
        raise _error(
            "no token to ask GitHub with",
            fix="in a workflow `permissions: {statuses: read}` and `GITHUB_TOKEN: ${{ github.token "
            "}}`; here `export GITHUB_TOKEN=$(gh auth token)`",
        )
    owner, name = _slug(root)
    objects = " ".join(
        f'c{i}: object(oid: "{commit}") {{ ...statuses }}' for i, commit in enumerate(commits)
    )
    query = (
        "query($owner: String!, $name: String!) "
        f"{{ repository(owner: $owner, name: $name) {{ {objects} }} }}{_FRAGMENT}"
    )
    body = json.dumps({"query": query, "variables": {"owner": owner, "name": name}}).encode()
    url = os.environ.get(URL_VARIABLE) or URL
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - http(s), set by GitHub
    try:
        with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
            text = answer.read(MAX_BYTES).decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(MAX_BYTES).decode(errors="replace")
        raise _error(f"{url} answered HTTP {error.code}", found=_message(said)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise _error(f"{url} does not answer", found=reason) from error
    try:
        content = json.loads(text)
        repository = None if content.get("errors") else content["data"]["repository"]
    except (ValueError, LookupError, TypeError, AttributeError):
        repository = None
    if not isinstance(repository, dict):
        raise _error(f"{url} does not tell", found=_message(text))
    return repository


def _read(repository: dict[str, Any], commits: Sequence[str]) -> dict[str, list[Status]]:
    """The statuses of each commit; none of one that GitHub does not have."""
    try:
        return {
            commit: [
                _status(commit, each)
                for each in ((repository[f"c{i}"] or {}).get("status") or {}).get("contexts", ())
            ]
            for i, commit in enumerate(commits)
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _error("GitHub's answer has another form than its schema") from error


def _status(commit: str, content: dict[str, Any]) -> Status:
    creator = content["creator"] or {"login": "a deleted account", "__typename": ""}
    # An app and a person may have the same login here.
    suffix = "[bot]" if creator["__typename"] == "Bot" else ""
    return Status(
        commit,
        content["context"],
        content["state"],
        datetime.fromisoformat(content["createdAt"]).astimezone(UTC),
        creator["login"].removesuffix("[bot]") + suffix,
        content["description"] or "",
    )


def _slug(root: Path) -> tuple[str, str]:
    """Owner and name of the repository, as the remote's address ends."""
    url = gitrepo.git(root, "remote", "get-url", origin.REMOTE).strip()
    match = _SLUG.search(url)
    if match is None:
        raise _error(f"the remote '{origin.REMOTE}' has no owner and name", found=url)
    return match[1], match[2]


def _message(text: str) -> str:
    """What GitHub says in an error, or the beginning of what something else says."""
    try:
        content = json.loads(text)
        errors = [error["message"] for error in content.get("errors", ())]
        said = "; ".join(errors) or str(content["message"])
    except (ValueError, LookupError, TypeError, AttributeError):
        said = f"no answer of GitHub: {' '.join(text.split())}" if text.strip() else "nothing"
    return said[:SHOWN_CHARACTERS]


def _error(what: str, *, found: str = "", fix: str = "") -> ModelctlError:
    return ModelctlError(f"could not read commit statuses: {what}", found=found, fix=fix)
