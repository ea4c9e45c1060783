"""Whether a value of a type can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, TypedDict

import msgspec
import pytest

from ctrlkit.model import ObjectMeta, Unstructured, is_immutable


class Phase(Enum):
    """One of few."""

    RUNNING = "Running"


class Frozen(msgspec.Struct, frozen=True):
    """All the way down."""

    metadata: ObjectMeta
    phase: Phase | None = None
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    names: tuple[str, ...] = ()
    pair: tuple[int, float] = (0, 0.0)
    kinds: frozenset[str] = frozenset()


class Tree(msgspec.Struct, frozen=True):
    """Holds its own kind."""

    children: tuple[Tree, ...] = ()


class Thawed(msgspec.Struct):
    """Not frozen."""

    name: str = ""


class HoldsThawed(msgspec.Struct, frozen=True):
    """Frozen around what is not."""

    inner: tuple[Thawed, ...] = ()


class HoldsList(msgspec.Struct, frozen=True):
    """Frozen around a list."""

    names: list[str] = []


class HoldsMapping(msgspec.Struct, frozen=True):
    """A Mapping is decoded to a dict."""

    labels: Mapping[str, str] | None = None


class HoldsAny(msgspec.Struct, frozen=True):
    """Whatever it is."""

    spec: Any = None


@dataclass(frozen=True)
class Plain:
    """Frozen, but not in a way the decoder knows of."""

    name: str = ""


class Typed(TypedDict):
    """A dict."""

    name: str


@pytest.mark.behaviour("B25")
@pytest.mark.parametrize("python_type", [Frozen, Tree, ObjectMeta])
def test_what_nobody_can_change_is_shared(python_type: Any) -> None:
    """Frozen Structs of scalars, tuples and their like."""
    assert is_immutable(python_type)


@pytest.mark.behaviour("B25")
@pytest.mark.parametrize(
    "python_type", [Thawed, HoldsThawed, HoldsList, HoldsMapping, HoldsAny, Plain, Typed, Unstructured]
)
def test_what_somebody_could_change_is_not(python_type: Any) -> None:
    """One field is enough, however deep."""
    assert not is_immutable(python_type)
