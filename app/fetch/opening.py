"""Open a store by URL with the environment's options and credentials, and translate its errors.

Shared by the download of a bundle and by batches; `Subject` is what their errors talk about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from obstore import exceptions, store

from app.fetch.errors import FetchRefusedError, RetryableError, truncated

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ClientConfig, ObjectStore, RetryConfig

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
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
NO_RETRIES: RetryConfig = {"max_retries": 0}

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


@dataclass(frozen=True)
class Subject:
    """What is at a URL, in the words of errors: its name, fixes, and the access that it needs."""

    name: str
    url_fix: str
    secret_fix: str
    absent_expected: str
    absent_fix: str
    access: str = "read"


BUNDLE = Subject(
    name="the bundle",
    url_fix="set MODEL_URL to the folder that holds manifest.json",
    secret_fix="put credentials into a Secret; a presigned URL is for one file, not for a bundle",  # noqa: S106 - a text
    absent_expected="every file of the bundle at the URL",
    absent_fix="correct the path in the URL, or upload the bundle there",
)


def parse_url(url: str, settings: Settings, subject: Subject = BUNDLE) -> SplitResult:
    """Split the URL. Raises FetchRefusedError, without repeating secrets in the URL."""
    parts = urlsplit(url)
    if parts.scheme not in STORES or not parts.hostname:
        raise FetchRefusedError(
            f"the URL of {subject.name} is invalid",
            expected="s3://bucket/path, gs://bucket/path, az://container/path, https://host/path",
            found=f"{parts.scheme or 'no scheme'}://{parts.hostname or 'no host'}",
            fix=subject.url_fix,
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise FetchRefusedError(
            f"the URL of {subject.name} contains credentials, a query or a fragment",
            expected="scheme, host and path only",
            found=f"{parts.scheme}://{parts.hostname} with one of them",
            fix=subject.secret_fix,
        )
    if settings.endpoint and parts.scheme in ("http", "https"):
        raise FetchRefusedError(
            "FETCH_ENDPOINT does not apply to http(s) URLs",
            expected="FETCH_ENDPOINT unset",
            found=settings.endpoint,
            fix="unset FETCH_ENDPOINT, or use an s3://, gs:// or az:// URL",
        )
    address = settings.endpoint or url
    if address.startswith("http://") and not settings.allow_http:
        raise FetchRefusedError(
            "the store's address has no TLS",
            expected="https, or FETCH_ALLOW_HTTP=true",
            found=address,
            fix="serve the store over https: the digest ensures integrity, not confidentiality",
        )
    return parts


def open_store(
    url: str,
    settings: Settings,
    subject: Subject = BUNDLE,
    retries: RetryConfig = NO_RETRIES,
) -> ObjectStore:
    """Open the store of the URL; connects to nothing yet. Raises FetchRefusedError."""
    parts = parse_url(url, settings, subject)
    options: dict[str, Any] = {
        "client_options": _client_options(url, settings),
        "retry_config": retries,
    }
    store_class, target = STORES[parts.scheme], url
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
            f"the store of {url} cannot be opened",
            expected="a matching URL, endpoint and credentials",
            found=message_and_causes(error)[0],
            fix="correct the setting that the message names",
        ) from error


def translated(
    error: Exception, root: str, name: str, subject: Subject = BUNDLE
) -> FetchRefusedError | RetryableError:
    """An error of obstore about the object `name` in the folder at the URL `root`."""
    message, causes = message_and_causes(error)
    url = f"{root}/{name}"
    # A listing says it too, as an error of no kind.
    if any(word in str(error) for word in NO_BUCKET):
        return FetchRefusedError(
            f"the bucket of {root} does not exist",
            expected="an existing bucket or container",
            found=message,
            fix="correct the bucket in the URL, or the store's endpoint",
        )
    if isinstance(error, FileNotFoundError):
        return FetchRefusedError(
            f"{url} does not exist",
            expected=subject.absent_expected,
            found=message,
            fix=subject.absent_fix,
        )
    if isinstance(error, exceptions.PermissionDeniedError):
        return FetchRefusedError(
            f"access to {url} is denied",
            expected=f"credentials with {subject.access} access to every object at the URL",
            found=message,
            fix=f"grant {subject.access} access; S3 without list permission also denies missing "
            "objects",
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


def _client_options(url: str, settings: Settings) -> ClientConfig:
    client: ClientConfig = {
        "allow_http": settings.allow_http,
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_SECONDS),
        "read_timeout": timedelta(seconds=READ_TIMEOUT_SECONDS),
        "timeout": timedelta(seconds=settings.timeout_seconds),
        "user_agent": "ml-model-fetch",
    }
    if settings.authorization and url.startswith("http"):
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
