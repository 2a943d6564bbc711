"""A message as a client sends it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Sent:
    """Body and headers."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
