"""Chunks of a stream -> the lines in it, in time linear to the bytes however they are cut."""

from __future__ import annotations


class LineSplitter:
    r"""
    Collects a stream's bytes and gives out each line once it is whole; empty lines are skipped.

    >>> lines = LineSplitter()
    >>> lines.feed(b'{"a":1}\n{"b"'), lines.feed(b':2}\n'), lines.feed(b'{')
    ([b'{"a":1}'], [b'{"b":2}'], [])
    >>> lines.unfinished
    1

    Shape   Lines come without their newline. No limit on their length: an object may be large.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes; returns the lines that they complete."""
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
            self._parts.clear()
        if rest:
            self._parts.append(rest)
        return [line for line in lines if line and not line.isspace()]

    @property
    def unfinished(self) -> int:
        """How many bytes of a line are waiting for its end: a stream that ends while there are any was cut."""
        return sum(len(part.rstrip()) for part in self._parts)
