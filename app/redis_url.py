"""A URL of Redis and who asks -> the arguments of redis-py's `from_url`. Does not import it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app import tls
from app.variables import refusal, without_secret

if TYPE_CHECKING:
    from app.tls import Trust


def require_redis_url(name: str, url: str) -> str:
    """The URL. Raises SettingRefusedError for what the library does not take, or takes as options.

    Its query would be arguments of the client, and a database that is no number the first one.
    """
    expected = "host, port and the number of a database, such as redis://host:6379/0"
    try:
        parts = urlsplit(url)
        is_known = parts.port != 0 and not parts.query and not parts.fragment
        is_known = is_known and parts.scheme in ("redis", "rediss") and bool(parts.hostname)
        is_known = is_known and bool(re.fullmatch(r"(/\d*)?", parts.path))
    except ValueError:
        is_known = False
    if not is_known:
        raise refusal(name, expected, without_secret(url))
    return url


def client_arguments(
    url: str, user: str | None, password: str | None, trust: Trust
) -> dict[str, Any]:
    """Credentials that the URL does not have, and files. Raises SettingRefusedError."""
    given: dict[str, Any] = {}
    if user is not None:
        given["username"] = user
    if password is not None:
        given["password"] = password
    if url.startswith("rediss://"):
        # Refuses now what a connection would stumble over again and again.
        tls.context(trust)
        if trust.ca is not None:
            given["ssl_ca_certs"] = str(trust.ca)
        if trust.certificate is not None:
            given.update(ssl_certfile=str(trust.certificate), ssl_keyfile=str(trust.key))
    return given
