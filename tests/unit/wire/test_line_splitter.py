"""Lines come out as they went in, however the stream was cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.wire.streams import LineSplitter

LINES = st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line and not line.isspace()))


@given(LINES, st.lists(st.integers(min_value=0, max_value=200)))
def test_any_cut_gives_the_same_lines(lines: list[bytes], cuts: list[int]) -> None:
    """For any lines and any chunks they arrive in, exactly these lines come out, in order."""
    stream = b"".join(line + b"\n" for line in lines)
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    splitter = LineSplitter()
    found: list[bytes] = []
    for start, end in pairwise(places):
        found += splitter.feed(stream[start:end])
    assert found == lines
    assert splitter.unfinished == 0


def test_empty_lines_are_no_lines() -> None:
    """Blank lines, as some proxies send to keep a connection open, are skipped."""
    splitter = LineSplitter()
    assert splitter.feed(b"\n\r\n{}\n \n") == [b"{}"]
    assert splitter.feed(b" \r") == []
    assert splitter.unfinished == 0


def test_an_unfinished_line_shows() -> None:
    """What a cut stream leaves of a line is counted."""
    splitter = LineSplitter()
    splitter.feed(b'{"type"')
    splitter.feed(b":1")
    assert splitter.unfinished == 9


def test_a_line_in_many_chunks_is_joined_once() -> None:
    """A long line costs its length, not its length times the number of chunks: the parts are kept apart."""
    splitter = LineSplitter()
    parts = [b"x" * 10] * 1000
    assert not any(splitter.feed(part) for part in parts)
    assert splitter.feed(b"y\nz") == [b"x" * 10_000 + b"y"]
