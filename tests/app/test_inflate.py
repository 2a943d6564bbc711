"""Undoing gzip and deflate by itself: bounded in size and memory, and strict about its end.

Through every door of a service: test_content_encoding.py.
"""

from __future__ import annotations

import gzip
import random
import time
import tracemalloc
import zlib

import pytest

from app.errors import RequestError
from app.inflate import MAX_MEMBERS, decode, max_decoded_bytes

LIMIT = 1_000_000
GZIP = {"content-encoding": "gzip"}
DEFLATE = {"content-encoding": "deflate"}
TEXT = b'{"features": [5.1, 3.5, 1.4, 0.2]}'
PACKED = gzip.compress(TEXT)


def refusal(body: bytes, headers: dict[str, str] = GZIP, limit: int = LIMIT) -> RequestError:
    with pytest.raises(RequestError) as refused:
        decode(headers, body, limit)
    return refused.value


@pytest.mark.parametrize("size", [0, 1, 100, 65_535, 65_536, 200_000, LIMIT])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_body_is_what_was_compressed(size: int, level: int) -> None:
    for text in (random.Random(3).randbytes(size), b"x" * size):  # noqa: S311
        assert decode(GZIP, gzip.compress(text, level), LIMIT) == text
        assert decode(DEFLATE, zlib.compress(text, level), LIMIT) == text


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP", " gzip ", "identity, gzip", "gzip,"])
def test_gzip_has_several_names(name: str) -> None:
    assert decode({"content-encoding": name}, PACKED, LIMIT) == TEXT


@pytest.mark.parametrize("name", ["identity", "", " ", "Identity", "identity, identity"])
def test_identity_changes_nothing(name: str) -> None:
    assert decode({"content-encoding": name}, PACKED, LIMIT) == PACKED
    assert decode({}, PACKED, LIMIT) == PACKED


@pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "x" * 500])
def test_another_coding_is_a_415_that_names_those_there_are(name: str) -> None:
    error = refusal(PACKED, {"content-encoding": name})
    assert (error.status, error.kind) == (415, "media-type")
    assert error.detail == f"expected gzip, deflate or identity, found {name[:100]}"


def test_several_members_are_one_body() -> None:
    assert decode(GZIP, PACKED * 3 + gzip.compress(b"") + PACKED, LIMIT) == TEXT * 4
    # As bgzip writes: members of 64 kB.
    whole = random.Random(1).randbytes(400_000)  # noqa: S311
    blocks = [gzip.compress(whole[at : at + 65_280]) for at in range(0, len(whole), 65_280)]
    assert decode(GZIP, b"".join(blocks), LIMIT) == whole


@pytest.mark.parametrize("headers", [GZIP, DEFLATE])
def test_a_body_cut_anywhere_is_a_400(headers: dict[str, str]) -> None:
    whole = PACKED if headers is GZIP else zlib.compress(TEXT)
    for length in range(len(whole)):
        error = refusal(whole[:length], headers)
        assert (error.status, error.kind) == (400, "malformed-compression")
    for length in range(1, len(PACKED)):
        assert refusal(PACKED + PACKED[:length]).status == 400


@pytest.mark.parametrize("tail", [b"x", b"\0", b"\0" * 512, TEXT, b"\x1f\x8b"])
def test_bytes_after_the_end_are_a_400(tail: bytes) -> None:
    assert refusal(PACKED + tail).status == 400
    assert refusal(zlib.compress(TEXT) + tail, DEFLATE).status == 400
    assert refusal(zlib.compress(TEXT) * 2, DEFLATE).status == 400


def test_a_flipped_bit_is_never_anything_but_a_400() -> None:
    for at in range(len(PACKED)):
        broken = bytearray(PACKED)
        broken[at] ^= 0x10
        try:
            # What a header says beside the data (name, time, system) is not checked by anything.
            found: bytes | int = decode(GZIP, bytes(broken), LIMIT)
        except RequestError as error:
            found = error.status
        assert found in (TEXT, 400)


def test_a_body_that_is_not_compressed_is_a_400() -> None:
    assert refusal(TEXT).detail == "the body is not valid gzip"
    assert refusal(TEXT, DEFLATE).detail == "the body is not valid deflate"
    assert refusal(PACKED, DEFLATE).status == 400


@pytest.mark.parametrize("limit", [1, 10, 1000, 65_536, 70_000])
def test_the_limit_is_exact(limit: int) -> None:
    for headers, compress in ((GZIP, gzip.compress), (DEFLATE, zlib.compress)):
        assert decode(headers, compress(b"x" * limit), limit) == b"x" * limit
        for size in (limit + 1, 3 * limit, 1000 * limit):
            error = refusal(compress(b"x" * size), headers, limit)
            assert (error.status, error.kind) == (413, "too-large")
            assert f"at most {limit} bytes when inflated (MAX_BODY_BYTES)" in error.detail
    assert refusal(gzip.compress(b"x" * limit) + gzip.compress(b"x"), limit=limit).status == 413


def test_a_bomb_takes_neither_memory_nor_time() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000)
    tracemalloc.start()
    started = time.process_time()
    assert refusal(bomb).status == 413
    seconds = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * LIMIT
    # A hundredth of a second; inflating all of it takes one.
    assert seconds < 0.5


def test_many_empty_members_are_refused_quickly() -> None:
    empty = gzip.compress(b"")
    assert decode(GZIP, empty * MAX_MEMBERS, LIMIT) == b""
    started = time.process_time()
    assert refusal(empty * 500_000).status == 400
    assert time.process_time() - started < 1


def test_the_bound_of_a_body_is_never_below_what_it_becomes() -> None:
    for size in (0, 1, 1000, 100_000, LIMIT):
        for compress in (gzip.compress, zlib.compress):
            packed = len(compress(b"\0" * size))
            assert size <= max_decoded_bytes(GZIP, packed, LIMIT) <= LIMIT
    assert max_decoded_bytes({}, 500, LIMIT) == 500
    assert max_decoded_bytes({"content-encoding": "identity"}, 500, LIMIT) == 500
