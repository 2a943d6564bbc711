"""What to fetch, from where, to where: environment variables, read once at start.

Credentials are not here: obstore reads those of each cloud itself, static ones as well as the
token of a workload identity.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.variables import check_digest, read, refusal, table, variable

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Settings:
    """One download. Units are in the name or in the doc of each variable."""

    # ruff: noqa: RUF009 - `variable` only describes the field
    url: str = variable(
        "MODEL_URL",
        "",
        "Where the folder of the bundle is: `s3://bucket/path`, `gs://bucket/path`, "
        "`az://container/path` or `https://host/path`. Required.",
    )
    digest: str = variable(
        "MODEL_DIGEST", "", "Digest (sha256:<64 hex>) the bundle must have. Required."
    )
    folder: Path = variable("MODEL_DIR", Path("/model"), "Folder that the bundle is put in.")
    endpoint: str | None = variable(
        "FETCH_ENDPOINT",
        None,
        "Address of a store that is not the cloud's own, such as `https://minio.storage:9000`.",
    )
    allow_http: bool = variable(
        "FETCH_ALLOW_HTTP", False, "Whether the store may be asked without TLS: true or false."
    )
    anonymous: bool = variable(
        "FETCH_ANONYMOUS", False, "Whether to ask without credentials: true or false."
    )
    authorization: str | None = variable(
        "FETCH_AUTHORIZATION",
        None,
        "Header `Authorization` for http(s) URLs, such as `Bearer ...`; keep it in a Secret.",
    )
    ca_file: Path | None = variable(
        "FETCH_CA_FILE", None, "Certificates (PEM) trusted beside those of the image."
    )
    public_key_file: Path | None = variable(
        "FETCH_PUBLIC_KEY_FILE",
        None,
        "Public key (PEM, P-256, P-384 or P-521) that must have signed the bundle: OpenSSF model "
        "signing, `model.sig` beside the manifest. Unset asks for no signature.",
    )
    max_bytes: int = variable(
        "FETCH_MAX_BYTES", 10 * 1024**3, "Largest bundle; a larger one is refused unread.", low=1
    )
    concurrency: int = variable("FETCH_CONCURRENCY", 4, "Files fetched at once.", low=1, high=16)
    attempts: int = variable(
        "FETCH_ATTEMPTS", 6, "Attempts for a file that end without one more byte.", low=1, high=100
    )
    timeout_seconds: int = variable(
        "FETCH_TIMEOUT_SECONDS", 600, "Longest time for everything; the next start goes on.", low=1
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read every variable; an empty one counts as unset. Raises SettingRefusedError."""
        settings = read(cls, environ)
        if not settings.url:
            raise refusal("MODEL_URL", "the URL of a bundle's folder", "nothing")
        if not settings.digest:
            # Without one, whoever can write to the store decides what is served.
            raise refusal("MODEL_DIGEST", "sha256:<64 hex digits>", "nothing")
        check_digest("MODEL_DIGEST", settings.digest)
        return settings


def reference() -> str:
    """The page docs/reference/fetch.md: every variable, from the fields above."""
    lines = [
        "# Settings of the download",
        "",
        "Environment variables of the init container that downloads a bundle, written by",
        "`python -m app.fetch.settings`. The chart sets them from `model.download`, and",
        "`FETCH_PUBLIC_KEY_FILE` from `model.signature`, for a mounted bundle too. Credentials",
        "are the variables that every tool of the cloud reads: `AWS_ACCESS_KEY_ID` and",
        "`AWS_SECRET_ACCESS_KEY`, `GOOGLE_SERVICE_ACCOUNT_KEY`, `AZURE_STORAGE_ACCOUNT_NAME` with",
        "`AZURE_STORAGE_ACCOUNT_KEY`, or what a workload identity puts there.",
        "",
        *table(Settings),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
