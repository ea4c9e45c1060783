"""A page of a list decoded at once, as nobody but a test can afford it."""

from __future__ import annotations

from typing import TypeVar, cast

from ctrlkit.model import Snapshot
from ctrlkit.wire.codec import Codec

T = TypeVar("T")


def decode_list(codec: Codec[T], data: bytes) -> tuple[Snapshot[T], str]:
    """The page, and the token that continues the list."""
    steps = codec.decode_list_in_steps(data)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("tuple[Snapshot[T], str]", end.value)
