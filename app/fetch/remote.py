"""The store that holds the bundle: opens it from a URL, streams its files, explains its errors.

The only module that knows obstore. Its requests are not repeated in here, so that every attempt
is seen and logged by the one loop that makes them.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import obstore
from obstore import exceptions, store

from app.fetch.errors import FetchRefusedError, NoRangesError, TryAgainError, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from obstore.store import ClientConfig, ObjectStore

    from app.fetch.settings import Settings

STORES: dict[str, Callable[..., ObjectStore]] = {
    "s3": store.S3Store,
    "gs": store.GCSStore,
    "az": store.AzureStore,
    "http": store.HTTPStore,
    "https": store.HTTPStore,
}
# What the setting is called that is `endpoint` for the others.
ENDPOINT = {"gs": "base_url"}
# Several files are under way at once; this bounds what each holds in memory.
CHUNK_BYTES = 1024 * 1024
CONNECT_SECONDS = 5
# Silence on an open connection after which it counts as broken.
SILENCE_SECONDS = 30

# Words in an error's chain of causes that trying again does not change, and what to do about each.
HOPELESS = {
    "BadScheme": "serve the store over https, or allow plain http (FETCH_ALLOW_HTTP)",
    "UnknownIssuer": "give the store's certificate authority (FETCH_CA_FILE)",
    "invalid peer certificate": "use the host name that the store's certificate is for",
    "MissingContentLength": "let the server send the length of a file, not chunks of it",
}
# Causes that the first line of an error does not tell and people need.
CAUSES = ("dns error", "Connection refused", "TimedOut", "timed out", "Connection reset")
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")


class Remote:
    """The bundle's folder in a store."""

    def __init__(self, settings: Settings) -> None:
        """Opens nothing yet. Raises FetchRefusedError for a URL that cannot be used."""
        self.url = settings.url.rstrip("/")
        self._store = _open(settings, _checked(settings))

    def stream(self, name: str, offset: int, expected_bytes: int | None) -> Iterator[memoryview]:
        """The bytes of a file from `offset` on, piece by piece.

        Raises FetchRefusedError, TryAgainError, NoRangesError.
        """
        try:
            options: Any = {"range": {"offset": offset}} if offset else {}
            answer = obstore.get(self._store, name, options=options)
            size = answer.meta["size"]
            if expected_bytes is not None and size != expected_bytes:
                raise FetchRefusedError(
                    f"{self.url}/{name} has another size than the manifest lists",
                    expected=f"{expected_bytes} bytes",
                    found=f"{size} bytes",
                    fix="upload the whole bundle again, the manifest last",
                )
            for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
                yield memoryview(chunk)
        except exceptions.NotSupportedError as error:
            raise NoRangesError(str(error)) from error
        except (FileNotFoundError, exceptions.BaseError) as error:
            raise self._explained(name, error) from error

    def _explained(self, name: str, error: Exception) -> FetchRefusedError | TryAgainError:
        """Which of our errors it is."""
        found, causes = told(error)
        place = f"{self.url}/{name}"
        if isinstance(error, FileNotFoundError):
            if any(word in str(error) for word in NO_BUCKET):
                return FetchRefusedError(
                    f"the bucket of {self.url} does not exist",
                    expected="a bucket or container of that name at the store",
                    found=found,
                    fix="correct the bucket in the URL, or the store's endpoint",
                )
            return FetchRefusedError(
                f"{place} does not exist",
                expected="every file of the bundle below the URL",
                found=found,
                fix="correct the path in the URL, or upload the bundle there",
            )
        if isinstance(error, exceptions.PermissionDeniedError):
            return FetchRefusedError(
                f"{place} may not be read",
                expected="credentials that may read every object below the URL",
                found=found,
                fix="grant them that; S3 also says this of a missing object to who may not list",
            )
        if isinstance(error, exceptions.UnauthenticatedError):
            return FetchRefusedError(
                f"{place} asks for credentials",
                expected="credentials in the environment, or a workload identity",
                found=found,
                fix="name the Secret that holds them, or annotate the ServiceAccount",
            )
        for word, fix in HOPELESS.items():
            if word in causes:
                return FetchRefusedError(
                    f"{place} cannot be asked for",
                    expected="a store that answers",
                    found=f"{found} ({word})",
                    fix=fix,
                )
        known = ", ".join(cause for cause in CAUSES if cause in causes)
        return TryAgainError(cut(f"{found} ({known})" if known else found))


def told(error: Exception) -> tuple[str, str]:
    """What an error of obstore says to people in one line, and its chain of causes."""
    text, _, causes = str(error).partition("\n\nDebug source:")
    plain, _, document = text.partition("<")
    facts = re.findall(r"<(?:Code|Message)>([^<\n]*)", f"<{document}")
    return " ".join(" ".join([plain, *facts]).split()).removesuffix(":"), causes


def _checked(settings: Settings) -> SplitResult:
    """The URL in parts. Raises FetchRefusedError without repeating a secret in it."""
    parts = urlsplit(settings.url)
    if parts.scheme not in STORES or not parts.hostname:
        raise FetchRefusedError(
            "the URL of the bundle cannot be used",
            expected="s3://bucket/path, gs://bucket/path, az://container/path, https://host/path",
            found=f"{parts.scheme or 'no scheme'}://{parts.hostname or 'no host'}",
            fix="set MODEL_URL to the folder that holds manifest.json",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise FetchRefusedError(
            "the URL of the bundle holds more than a place",
            expected="no user, password, query or fragment in it",
            found=f"{parts.scheme}://{parts.hostname} with one of them",
            fix="keep credentials in a Secret; a signed URL is for one file and not for a bundle",
        )
    if settings.endpoint and parts.scheme in ("http", "https"):
        raise FetchRefusedError(
            "an http URL has no other endpoint than itself",
            expected="FETCH_ENDPOINT unset",
            found=settings.endpoint,
            fix="unset it, or name the bundle by s3://, gs:// or az://",
        )
    address = settings.endpoint or settings.url
    if address.startswith("http://") and not settings.allow_http:
        raise FetchRefusedError(
            "the store would be asked without TLS",
            expected="https, or FETCH_ALLOW_HTTP=true",
            found=address,
            fix="serve the store over https; the digest keeps a bundle whole, not secret",
        )
    return parts


def _open(settings: Settings, parts: SplitResult) -> ObjectStore:
    """The store behind the URL. Raises FetchRefusedError."""
    options: dict[str, Any] = {
        "client_options": _client(settings),
        "retry_config": {"max_retries": 0},
    }
    opened, place = STORES[parts.scheme], settings.url
    if opened is not store.HTTPStore:
        place = parts.netloc
        options["prefix"] = parts.path.strip("/") or None
        if settings.anonymous:
            options["skip_signature"] = True
        if settings.endpoint:
            options[ENDPOINT.get(parts.scheme, "endpoint")] = settings.endpoint.rstrip("/")
    try:
        return opened(place, **options)
    except (ValueError, OSError, exceptions.BaseError) as error:
        raise FetchRefusedError(
            f"the store of {settings.url} cannot be opened",
            expected="a URL, an endpoint and credentials that belong together",
            found=told(error)[0],
            fix="correct what the message names",
        ) from error


def _client(settings: Settings) -> ClientConfig:
    client: ClientConfig = {
        "allow_http": settings.allow_http,
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=SILENCE_SECONDS),
        "timeout": timedelta(seconds=settings.timeout_seconds),
        "user_agent": "ml-model-fetch",
    }
    if settings.authorization and settings.url.startswith("http"):
        client["default_headers"] = {"authorization": settings.authorization}
    if settings.ca_file is not None:
        try:
            client["root_certificate"] = settings.ca_file.read_bytes()
        except OSError as error:
            raise FetchRefusedError(
                f"the certificates in {settings.ca_file} cannot be read",
                expected="a file with certificates (PEM)",
                found=error.strerror or type(error).__name__,
                fix="mount the bundle of certificates there, or unset FETCH_CA_FILE",
            ) from error
    return client
