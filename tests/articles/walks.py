"""The walks through articles, read from walks.yaml."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import msgspec

HERE = Path(__file__).parent


class Today(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is typed in the place of what is printed, and why."""

    run: str
    why: str


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command, or what a reader waits for; see the head of walks.yaml."""

    run: str = ""
    today: Today | None = None
    typed: tuple[str, ...] | None = None
    shows: tuple[str, ...] = ()
    repeat: bool = False
    out: str = ""
    wait: str = ""
    terminal: int = 1
    interrupt: bool = False

    @property
    def command(self) -> str:
        """What is typed."""
        return self.wait or (self.today.run if self.today else self.run)


class Walk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The commands of one article; `files` are those that have another content than usual."""

    article: str
    server: str
    steps: tuple[Step, ...]
    files: Mapping[str, str] = {}


class Walks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All articles."""

    scopes: Mapping[str, str]
    reasons: Mapping[str, str]
    walks: tuple[Walk, ...]


@functools.cache
def read_walks() -> Walks:
    """Read them all."""
    return msgspec.yaml.decode(HERE.joinpath("walks.yaml").read_bytes(), type=Walks)
