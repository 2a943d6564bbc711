"""Download one file of a model from https, s3, gs or az, verified by its SHA-256.

Uses the stores and the settings of the service's own download (docs/reference/fetch.md); the
download of a bundle is another thing, see `app/fetch/download.py`.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from app.errors import RefusedError as AppRefusedError
from app.errors import SettingRefusedError
from app.fetch.errors import RetryableError
from app.fetch.settings import Settings
from app.variables import read
from modelctl.errors import ModelctlError
from modelctl.packaging.sources import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAUSE_SECONDS = 1.0


def download(url: str, sha256: str | None, cache: Path, environ: Mapping[str, str]) -> Path:
    """The local file of a URL, from the folder `cache` if it is there. Raises ModelctlError.

    Without a `sha256` nothing is verified: the caller shows the hash, which is the file's name.
    """
    if sha256 is not None and (kept := cache / sha256).is_file():
        if sha256_of(kept) == sha256:
            return kept
        kept.unlink()
    settings = _settings(url, environ)
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f".{os.getpid()}.part"
    try:
        found = _with_retries(url, settings, part)
        if sha256 is not None and found != sha256:
            raise ModelctlError(
                f"{url} is not the file that model.yaml names",
                expected=f"SHA-256 {sha256}",
                found=f"SHA-256 {found}",
                fix="if the new file is meant, write its hash into model.yaml; else restore it",
            )
        part.replace(cache / found)
    finally:
        part.unlink(missing_ok=True)
    return cache / found


def _settings(url: str, environ: Mapping[str, str]) -> Settings:
    folder, _, _ = url.rpartition("/")
    try:
        return replace(read(Settings, environ), url=folder)
    except SettingRefusedError as error:
        raise _translated(error, "correct the variable") from error


def _with_retries(url: str, settings: Settings, part: Path) -> str:
    """Write the file, from the start at each attempt; returns its hash."""
    attempt = 1
    while True:
        try:
            return _fetch(url, settings, part)
        except RetryableError as error:
            if attempt >= settings.attempts:
                raise ModelctlError(
                    f"cannot download {url}",
                    expected=f"success within {attempt} attempts",
                    found=str(error),
                    fix="check that this machine reaches the store, then run the command again",
                ) from error
            time.sleep(min(PAUSE_SECONDS * 2 ** (attempt - 1), 10))
            attempt += 1
        except AppRefusedError as error:
            raise _translated(
                error, f"correct `source` in model.yaml; for the store's access: {error.fix}"
            ) from error


def _fetch(url: str, settings: Settings, part: Path) -> str:
    # Imported here: obstore costs memory and time that a local file need not pay.
    from app.fetch.remote import Remote

    total, hashed = 0, hashlib.sha256()
    with part.open("wb") as stream:
        for chunk in Remote(settings).stream(url.rpartition("/")[2], 0, None):
            total += len(chunk)
            if total > settings.max_bytes:
                raise ModelctlError(
                    f"{url} is too large",
                    expected=f"at most {settings.max_bytes} bytes",
                    found=f"more than {settings.max_bytes} bytes",
                    fix="raise FETCH_MAX_BYTES",
                )
            stream.write(chunk)
            hashed.update(chunk)
    return hashed.hexdigest()


def _translated(error: AppRefusedError, fix: str) -> ModelctlError:
    return ModelctlError(error.what, expected=error.expected, found=error.found, fix=fix)
