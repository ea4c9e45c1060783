"""
Mutants that no test notices, each with the reason; they are read from survivors.toml.

`equivalent` ones change nothing that anybody could see; the others could be noticed, and are not worth a test.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final, NamedTuple


class Known(NamedTuple):
    """Whether it is equivalent, and why nobody notices."""

    equivalent: bool
    reason: str


def _read(path: Path) -> dict[str, Known]:
    content = tomllib.loads(path.read_text())
    return {
        entry["id"]: Known(kind == "equivalent", entry["reason"])
        for kind in ("equivalent", "survivor")
        for entry in content.get(kind, ())
    }


KNOWN: Final = _read(Path(__file__).with_name("survivors.toml"))
