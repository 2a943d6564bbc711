"""Which arm a unit is in: the arithmetic of Envoy, repeated offline.

The gateway hashes the value of a header or a cookie and picks a backend by its weight. Envoy's
source says how: xxHash64 with seed 0 of the value (source/common/http/hash_policy.cc,
source/common/common/hash.h), `hash % total_weight`, then the first backend whose cumulative weight
is above that (`pickClusterIndex` in source/common/router/weighted_cluster_specifier.cc). There is
no salt: two experiments over the same unit split it alike, so one arm of the first is one arm of
the second. Pure: knows neither files nor gateways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import xxhash

from modelctl.errors import ModelctlError
from modelctl.repository.experiments import PRIMARY
from modelctl.repository.variants import MAX_SHARING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The weights of all arms add up to this, so that a share is a percentage.
BUCKETS = 100


@dataclass(frozen=True)
class Assignment:
    """The arms and their weights, in the order in which a gateway has to list its backends."""

    weights: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, shares: Mapping[str, int]) -> Assignment:
        """The assignment for the percentages of variants; the primary gets the rest.

        In order of names the first variant comes before the primary and the second after it: a
        share that grows takes units from the primary alone, and every unit of a variant stays.
        Raises ModelctlError.
        """
        names = sorted(shares)
        if PRIMARY in shares or len(names) > MAX_SHARING:
            raise ModelctlError(
                "these variants cannot share the traffic",
                expected=f"at most {MAX_SHARING}, none called {PRIMARY}: the share of a third "
                "could not grow without moving units between arms",
                found=", ".join(names),
            )
        if min(shares.values(), default=0) < 0 or sum(shares.values()) > BUCKETS:
            raise ModelctlError(
                "the shares of the variants are not percentages",
                expected=f"0 to {BUCKETS} in total",
                found=", ".join(f"{name}: {shares[name]}" for name in names),
            )
        rest = (PRIMARY, BUCKETS - sum(shares.values()))
        weights = [(name, shares[name]) for name in names]
        return cls((*weights[:1], rest, *weights[1:]))

    def arm(self, unit: str) -> str:
        """The arm of a unit, a value as the client sends it: bytes count, case and spaces too."""
        value = bucket(unit)
        end = 0
        for name, weight in self.weights:
            end += weight
            if value < end:
                return name
        raise AssertionError("the weights add up to all buckets")


def unit_violation(unit: str) -> str:
    """Why no client sends this value in a header or cookie; empty if one may."""
    if not unit:
        return "is empty"
    if unit != unit.strip():
        return "has spaces around it"
    if any(character < " " or character == "\x7f" for character in unit):
        return "has control characters"
    # What is no text: the bytes of a command line that are not UTF-8.
    return "is not UTF-8" if any("\ud800" <= each <= "\udfff" for each in unit) else ""


def bucket(unit: str) -> int:
    """The bucket of a unit, from 0 to 99."""
    return xxhash.xxh64_intdigest(unit.encode(), seed=0) % BUCKETS
