"""The remote store of the bundle: opens it by URL, streams files, translates errors.

The only module that knows obstore. obstore's own retries are disabled, so that `download` logs
every attempt.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import obstore
from obstore import exceptions, store

from app.fetch.errors import FetchRefusedError, RangeNotSupportedError, RetryableError, truncated

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
# Name of obstore's endpoint option, where it is not `endpoint`.
ENDPOINT = {"gs": "base_url"}
# Bounds the memory per file; several are downloaded concurrently.
CHUNK_BYTES = 1024 * 1024
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30

# Words in an error's chain of causes for which a retry is pointless, and the fix for each.
PERMANENT_ERRORS = {
    "BadScheme": "serve the store over https, or set FETCH_ALLOW_HTTP=true",
    "UnknownIssuer": "set FETCH_CA_FILE to the store's certificate authority",
    "invalid peer certificate": "use the host name in the store's certificate",
    "MissingContentLength": "let the server send Content-Length instead of chunked encoding",
}
# Causes that are missing in the first line of an error.
CAUSES = ("dns error", "Connection refused", "TimedOut", "timed out", "Connection reset")
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")


class Remote:
    """The bundle's folder in a store."""

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet. Raises FetchRefusedError for an invalid URL."""
        self.url = settings.url.rstrip("/")
        self._store = _open_store(settings, _parse_url(settings))

    def stream(self, name: str, offset: int, expected_bytes: int | None) -> Iterator[memoryview]:
        """Stream the bytes of a file from `offset` on.

        Raises FetchRefusedError, RetryableError, RangeNotSupportedError.
        """
        try:
            options: Any = {"range": {"offset": offset}} if offset else {}
            response = obstore.get(self._store, name, options=options)
            size = response.meta["size"]
            if expected_bytes is not None and size != expected_bytes:
                raise FetchRefusedError(
                    f"{self.url}/{name} has the wrong size",
                    expected=f"{expected_bytes} bytes",
                    found=f"{size} bytes",
                    fix="upload the whole bundle again, the manifest last",
                )
            for chunk in response.stream(min_chunk_size=CHUNK_BYTES):
                yield memoryview(chunk)
        except exceptions.NotSupportedError as error:
            raise RangeNotSupportedError(str(error)) from error
        except (FileNotFoundError, exceptions.BaseError) as error:
            raise self._as_fetch_error(name, error) from error

    def _as_fetch_error(self, name: str, error: Exception) -> FetchRefusedError | RetryableError:
        """Translate an error of obstore."""
        message, causes = message_and_causes(error)
        url = f"{self.url}/{name}"
        if isinstance(error, FileNotFoundError):
            if any(word in str(error) for word in NO_BUCKET):
                return FetchRefusedError(
                    f"the bucket of {self.url} does not exist",
                    expected="an existing bucket or container",
                    found=message,
                    fix="correct the bucket in the URL, or the store's endpoint",
                )
            return FetchRefusedError(
                f"{url} does not exist",
                expected="every file of the bundle at the URL",
                found=message,
                fix="correct the path in the URL, or upload the bundle there",
            )
        if isinstance(error, exceptions.PermissionDeniedError):
            return FetchRefusedError(
                f"access to {url} is denied",
                expected="credentials with read access to every object at the URL",
                found=message,
                fix="grant read access; S3 without list permission also denies missing objects",
            )
        if isinstance(error, exceptions.UnauthenticatedError):
            return FetchRefusedError(
                f"{url} requires credentials",
                expected="credentials in the environment, or a workload identity",
                found=message,
                fix="configure the Secret that holds them, or annotate the ServiceAccount",
            )
        for word, fix in PERMANENT_ERRORS.items():
            if word in causes:
                return FetchRefusedError(
                    f"{url} cannot be requested",
                    expected="a reachable store",
                    found=f"{message} ({word})",
                    fix=fix,
                )
        known = ", ".join(cause for cause in CAUSES if cause in causes)
        return RetryableError(truncated(f"{message} ({known})" if known else message))


def message_and_causes(error: Exception) -> tuple[str, str]:
    """The message of an obstore error in one line, and its chain of causes."""
    text, _, causes = str(error).partition("\n\nDebug source:")
    plain, _, document = text.partition("<")
    elements = re.findall(r"<(?:Code|Message)>([^<\n]*)", f"<{document}")
    return " ".join(" ".join([plain, *elements]).split()).removesuffix(":"), causes


def _parse_url(settings: Settings) -> SplitResult:
    """Split the URL. Raises FetchRefusedError, without repeating secrets in the URL."""
    parts = urlsplit(settings.url)
    if parts.scheme not in STORES or not parts.hostname:
        raise FetchRefusedError(
            "the URL of the bundle is invalid",
            expected="s3://bucket/path, gs://bucket/path, az://container/path, https://host/path",
            found=f"{parts.scheme or 'no scheme'}://{parts.hostname or 'no host'}",
            fix="set MODEL_URL to the folder that holds manifest.json",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise FetchRefusedError(
            "the URL of the bundle contains credentials, a query or a fragment",
            expected="scheme, host and path only",
            found=f"{parts.scheme}://{parts.hostname} with one of them",
            fix="put credentials into a Secret; a presigned URL is for one file, not for a bundle",
        )
    if settings.endpoint and parts.scheme in ("http", "https"):
        raise FetchRefusedError(
            "FETCH_ENDPOINT does not apply to http(s) URLs",
            expected="FETCH_ENDPOINT unset",
            found=settings.endpoint,
            fix="unset FETCH_ENDPOINT, or use an s3://, gs:// or az:// URL",
        )
    address = settings.endpoint or settings.url
    if address.startswith("http://") and not settings.allow_http:
        raise FetchRefusedError(
            "the store's address has no TLS",
            expected="https, or FETCH_ALLOW_HTTP=true",
            found=address,
            fix="serve the store over https: the digest ensures integrity, not confidentiality",
        )
    return parts


def _open_store(settings: Settings, parts: SplitResult) -> ObjectStore:
    """Open the store of the URL. Raises FetchRefusedError."""
    options: dict[str, Any] = {
        "client_options": _client_options(settings),
        "retry_config": {"max_retries": 0},
    }
    store_class, target = STORES[parts.scheme], settings.url
    if store_class is not store.HTTPStore:
        target = parts.netloc
        options["prefix"] = parts.path.strip("/") or None
        if settings.anonymous:
            options["skip_signature"] = True
        if settings.endpoint:
            options[ENDPOINT.get(parts.scheme, "endpoint")] = settings.endpoint.rstrip("/")
    try:
        return store_class(target, **options)
    except (ValueError, OSError, exceptions.BaseError) as error:
        raise FetchRefusedError(
            f"the store of {settings.url} cannot be opened",
            expected="a matching URL, endpoint and credentials",
            found=message_and_causes(error)[0],
            fix="correct the setting that the message names",
        ) from error


def _client_options(settings: Settings) -> ClientConfig:
    client: ClientConfig = {
        "allow_http": settings.allow_http,
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_SECONDS),
        "read_timeout": timedelta(seconds=READ_TIMEOUT_SECONDS),
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
                f"the CA certificates in {settings.ca_file} cannot be read",
                expected="a readable PEM file with certificates",
                found=error.strerror or type(error).__name__,
                fix="mount the certificates there, or unset FETCH_CA_FILE",
            ) from error
    return client
