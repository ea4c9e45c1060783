"""A call of grpc.health.v1.Health/Check: what is sent, and what the frames of an answer mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.grpc_health import code_of
from ctrlkit.fakes.cluster.node.probe_network import probe_network
from ctrlkit.fakes.cluster.node.runtime import Grpc, ProbeResult

LOCAL = "127.0.0.1"
DATA, HEADERS, SETTINGS, PING, CONTINUATION = 0, 1, 4, 6, 9
END_STREAM, END_HEADERS = 0x1, 0x4


def frame(kind: int, flags: int = 0, payload: bytes = b"", *, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def answer(message: bytes, code: int = 0) -> bytes:
    """An answer as servers send it: headers, a message, and the code in trailers of two frames."""
    trailers = b"\x40\x0bgrpc-status" + bytes([len(str(code))]) + str(code).encode()
    body = b"\0" + len(message).to_bytes(4) + message
    return (
        frame(HEADERS, END_HEADERS, b"\x88")
        + frame(DATA, 0, body)
        + frame(HEADERS, END_STREAM, trailers[:5])
        + frame(CONTINUATION, END_HEADERS, trailers[5:])
    )


@asynccontextmanager
async def server(*pieces: bytes) -> AsyncIterator[tuple[int, bytearray]]:
    """Send the pieces once a call has come whole, and note what was sent here."""
    sent, ended = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"grpc.health.v1" not in sent or frame(DATA)[3:4] + bytes([END_STREAM]) not in sent:
            sent.extend(await reader.read(4096))
        for piece in pieces:
            writer.write(piece)
        await ended.wait()
        writer.close()

    listening = await asyncio.start_server(serve, LOCAL, 0)
    try:
        yield listening.sockets[0].getsockname()[1], sent
    finally:
        ended.set()
        listening.close()


async def ask(*pieces: bytes, service: str = "shop", timeout_s: float = 5.0) -> tuple[ProbeResult, bytes, int]:
    async with server(*pieces) as (port, sent):
        return await probe_network(LOCAL, Grpc(port, service), timeout_s=timeout_s), bytes(sent), port


HELLO = frame(SETTINGS, stream=0) + frame(PING, 0, b"12345678", stream=0)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"\x08\x01", "service healthy"),
        (b"\x08\x02", 'service unhealthy (responded with "NOT_SERVING")'),
        (b"\x08\x03", 'service unhealthy (responded with "SERVICE_UNKNOWN")'),
        (b"", 'service unhealthy (responded with "UNKNOWN")'),
    ],
)
async def test_the_status_of_the_service_decides(message: bytes, text: str) -> None:
    """The call names the service, and a ping of the server is answered."""
    result, sent, _ = await ask(HELLO, answer(message))
    assert result == ProbeResult(ok=text == "service healthy", output=text)
    assert sent.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"/grpc.health.v1.Health/Check" in sent
    assert sent.endswith(b"\0\0\0\0\x06\x0a\x04shop")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (5, "error: health rpc probe failed: rpc error: code = NotFound desc = "),
        (12, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "),
        (4, "timeout: health rpc did not complete within 5s"),
        (14, "error: health rpc probe failed: rpc error: code = Unavailable desc = "),
    ],
)
async def test_a_call_that_the_server_refuses_has_failed(code: int, text: str) -> None:
    """Its code says how."""
    result, _, _ = await ask(HELLO, answer(b"", code))
    assert result == ProbeResult(ok=False, output=text)


async def test_who_speaks_no_http_2_is_waited_for_until_the_time_is_over() -> None:
    """As somebody who is not there; and so is one who greets and does not answer, in other words."""
    for pieces in ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), ()):
        result, _, port = await ask(*pieces, timeout_s=0.05)
        where = f'"{LOCAL}:{port}" within 50ms'
        assert result.output == f"timeout: failed to connect service {where}: context deadline exceeded"
    result, _, _ = await ask(HELLO, timeout_s=0.05)
    assert result.output == "timeout: health rpc did not complete within 50ms"


HUFFMAN = {"0": "00000", "1": "00001", "2": "00010", **{str(3 + n): f"{0b11001 + n:06b}" for n in range(7)}}


@given(st.integers(0, 16), st.booleans(), st.binary(max_size=20))
@example(1, True, b"grpc-status")
@example(1, False, bytes.fromhex("9acac8b21234da8f"))
def test_for_any_code_it_is_read_plain_or_compressed(code: int, compressed: bool, before: bytes) -> None:
    """Whatever other headers stand before it."""
    name, text = b"grpc-status", str(code)
    value = bytes([len(text)]) + text.encode()
    if compressed:
        name = bytes.fromhex("9acac8b21234da8f")
        bits = "".join(HUFFMAN[digit] for digit in text)
        bits += "1" * (-len(bits) % 8)
        value = bytes([0x80 | len(bits) // 8]) + int(bits, 2).to_bytes(len(bits) // 8)
    assert code_of(before + b"\x40\x8b" + name + value) == code
