"""
Asks a gRPC server for its health: one call of grpc.health.v1.Health/Check, on a connection of its own.

Only so much of HTTP/2 is spoken as that takes. Where a server refuses the call, its code is read, not its message.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ctrlkit.fakes.cluster.node.probe_texts import go_duration, grpc_answer, timed_out
from ctrlkit.fakes.cluster.node.runtime import Grpc, ProbeResult

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GO_AWAY, _CONTINUATION = 0, 1, 3, 4, 6, 7, 9
_END_STREAM, _ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
_FRAME_MAX = 1 << 20

_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_CODES = (
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"),
    *("PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"),
    *("Internal", "Unavailable", "DataLoss", "Unauthenticated"),
)
_DEADLINE_EXCEEDED, _UNIMPLEMENTED = _CODES.index("DeadlineExceeded"), _CODES.index("Unimplemented")

_CODE_NAMES = (b"grpc-status", bytes.fromhex("9acac8b21234da8f"))
"""The name of the header with the code, plain and in the Huffman code of HTTP/2."""

_DIGITS = {"00000": "0", "00001": "1", "00010": "2", **{f"{0b11001 + n:06b}": str(3 + n) for n in range(7)}}
"""Digits by their Huffman code."""


async def check(host: str, action: Grpc, *, timeout_s: float) -> ProbeResult:
    """Ask a server for the health of a service; as a kubelet, wait the whole time for one that is not there."""
    call = _Call(action.service)
    try:
        async with asyncio.timeout(timeout_s):
            try:
                reader, writer = await asyncio.open_connection(host, action.port)
                try:
                    await call.run(reader, writer, f"{host}:{action.port}")
                finally:
                    writer.close()
            except (OSError, EOFError, ValueError):
                if not call.is_connected:
                    await asyncio.get_running_loop().create_future()
    except TimeoutError:
        if not call.is_connected:
            return timed_out(action, host, timeout_s=timeout_s)
        return ProbeResult(ok=False, output=f"timeout: health rpc did not complete within {go_duration(timeout_s)}")
    return call.result(timeout_s)


@dataclass(slots=True)
class _Call:
    """A call, and what has come of its answer; it is connected once the server has said that it speaks HTTP/2."""

    service: str
    is_connected: bool = False
    is_last: bool = False
    """Whether the answer ends with the headers that are being read."""
    headers: bytearray = field(default_factory=bytearray)
    body: bytearray = field(default_factory=bytearray)

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str) -> None:
        """Send the call, and read until its answer has ended. Errors: OSError, EOFError, ValueError."""
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _request(authority, self.service))
        while True:
            head = await reader.readexactly(9)
            length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
            if length > _FRAME_MAX or (not self.is_connected and kind != _SETTINGS):
                raise ValueError("no HTTP/2 is spoken here")
            self.is_connected = True
            payload = await reader.readexactly(length)
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                writer.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
            if self._takes_end(kind, flags, payload):
                return

    def _takes_end(self, kind: int, flags: int, payload: bytes) -> bool:
        """Take a frame; return whether the answer has ended with it."""
        if kind == _DATA:
            self.body += _unpadded(flags, payload)
            return bool(flags & _END_STREAM)
        if kind == _HEADERS:
            block = _unpadded(flags, payload)
            self.headers += block[5:] if flags & _PRIORITY else block
            self.is_last = bool(flags & _END_STREAM)
        elif kind == _CONTINUATION:
            self.headers += payload
        else:
            return kind in (_RESET, _GO_AWAY)
        return self.is_last and bool(flags & _END_HEADERS)

    def result(self, timeout_s: float) -> ProbeResult:
        """Return what the answer means."""
        code = code_of(bytes(self.headers))
        if code == 0 and len(self.body) >= 5:
            return grpc_answer(_status_of(bytes(self.body[5:])))
        if code == _UNIMPLEMENTED:
            text = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
        elif code == _DEADLINE_EXCEEDED:
            text = f"timeout: health rpc did not complete within {go_duration(timeout_s)}"
        else:
            name = _CODES[code] if code < len(_CODES) and code else "Unavailable"
            text = f"error: health rpc probe failed: rpc error: code = {name} desc = "
        return ProbeResult(ok=False, output=text)


def code_of(headers: bytes) -> int:
    """
    Return the code of an answer from its headers, as they are coded; 0 where they have none.

    >>> code_of(bytes([0x40, 11]) + b"grpc-status" + bytes([2]) + b"12"), code_of(b"")
    (12, 0)
    >>> code_of(bytes.fromhex("40889acac8b21234da8f816f"))
    5
    """
    name = max(_CODE_NAMES, key=headers.rfind)  # what another header says may read like it
    after = headers.rpartition(name)[2] if name in headers else b""
    if not after:
        return 0
    value = after[1 : 1 + (after[0] & 0x7F)]
    digits = _decoded(value) if after[0] & 0x80 else value.decode("ascii", errors="replace")
    return int(digits) if digits.isdecimal() else 0


def _decoded(value: bytes) -> str:
    bits, digits = "".join(f"{byte:08b}" for byte in value), ""
    while length := next((size for size in (5, 6) if bits[:size] in _DIGITS), 0):
        digits, bits = digits + _DIGITS[bits[:length]], bits[length:]
    return digits


def _status_of(message: bytes) -> str:
    """Return the status in a HealthCheckResponse, a message with one field of one byte; without it is the first one."""
    status = message[1] if len(message) > 1 and message[0] == 0x08 else 0
    return _STATUSES[status] if status < len(_STATUSES) else str(status)


def _request(authority: str, service: str) -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/grpc.health.v1.Health/Check",
        ":authority": authority,
        "content-type": "application/grpc",
        "user-agent": "kube-probe/1.36",
        "te": "trailers",
    }
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    body = b"\0" + len(message).to_bytes(4) + message
    return _frame(_HEADERS, _END_HEADERS, 1, block) + _frame(_DATA, _END_STREAM, 1, body)


def _text(text: str) -> bytes:
    """Code a short text of a header as it is."""
    return bytes([len(text)]) + text.encode()


def _varint(number: int) -> bytes:
    coded = bytearray()
    while number > 0x7F:
        coded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*coded, number])


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _unpadded(flags: int, payload: bytes) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload
