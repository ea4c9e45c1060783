"""The first status of an object: what a cache of typed objects shows of one that has none, and what is stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from ctrlkit.client import Client
from ctrlkit.controller import DONE, Outcome, set_status
from ctrlkit.fakes import World, Write
from ctrlkit.manager import Context, reconciler
from ctrlkit.model import Condition, ObjectKey, ObjectMeta
from tests.support.greetings import GREETINGS, greeting

HELLO = "demo/hello"


class Counts(msgspec.Struct, frozen=True):
    made: int = 0


class Status(msgspec.Struct, frozen=True):
    """Its defaults say something, but for three of them."""

    ready: int = 0
    paused: bool = False
    phase: str = "Pending"
    counts: Counts = Counts()
    message: str = ""
    hosts: dict[str, str] = {}
    generation: int = 0
    conditions: tuple[Condition, ...] = ()


class Greeting(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    status: Status = Status()


@dataclass(frozen=True)
class DataStatus:
    ready: int = 0
    generation: int = 0


@dataclass(frozen=True)
class DataGreeting:
    metadata: ObjectMeta
    status: DataStatus = field(default_factory=DataStatus)


@attrs.frozen
class AttrsStatus:
    ready: int = 0
    generation: int = 0


@attrs.frozen
class AttrsGreeting:
    metadata: ObjectMeta
    status: AttrsStatus = AttrsStatus()


class ModelStatus(pydantic.BaseModel):
    ready: int = 0
    generation: int = 0


class ModelGreeting(pydantic.BaseModel):
    metadata: dict[str, Any]
    status: ModelStatus = ModelStatus()


class SometimesGreeting(msgspec.Struct, frozen=True):
    """It shows whether there is a status."""

    metadata: ObjectMeta
    status: Status | None = None


class Grown(msgspec.Struct, frozen=True):
    ready: int = 0
    failed: int = 0
    restarts: int | None = None


class Grew(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    status: Grown = Grown()


def plain_status(ready: int = 0, generation: int = 0) -> dict[str, Any]:
    return {"ready": ready, "generation": generation}


async def stored(kind: type, *wanted: object, status: dict[str, Any] | None = None) -> tuple[list[Any], list[Write]]:
    """The status that is stored after each reconcile, and what was written for all of them."""
    now: list[object] = []

    @reconciler(GREETINGS.of(kind))
    async def greet(_greeting: Any, context: Context) -> Outcome:
        for each in now:
            await context.set_status(each)
        return DONE

    found = []
    body = greeting() | ({"status": status} if status is not None else {})
    async with World(body, kinds=[GREETINGS]) as world:
        manager = world.manage(greet)
        for each in wanted:
            now[:] = [each]
            manager.controllers[0].wake(ObjectKey("demo", "hello"))
            await world.settle()
            found.append(world.tracker.get(GREETINGS, HELLO).get("status"))
        return found, list(world.clientset.writes)


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (Greeting, Status),
        (Greeting, plain_status),
        (DataGreeting, DataStatus),
        (AttrsGreeting, AttrsStatus),
        (ModelGreeting, ModelStatus),
        (dict, plain_status),
    ],
)
async def test_a_zero_in_the_first_status_is_stored(kind: type, make: Callable[..., object]) -> None:
    """As a later zero is, whatever form the kind has; a status that says the same is not written again."""
    first, again = make(ready=0, generation=1), make(ready=0, generation=1)
    (status, same), writes = await stored(kind, first, again)
    assert (status["ready"], status["generation"]) == (0, 1)
    assert same == status
    assert writes == [Write("patch", GREETINGS, HELLO, subresource="status")]


async def test_the_first_status_is_stored_whole_but_for_what_is_empty() -> None:
    """An absent field reads as an empty one does: all others are what the author set."""
    ready = Condition(type="Ready", status="True", reason="Up")
    (status,), _ = await stored(Greeting, Status(conditions=(ready,)))
    (condition,) = status.pop("conditions")
    assert condition["reason"] == "Up"
    assert status == {"ready": 0, "paused": False, "phase": "Pending", "counts": {"made": 0}, "generation": 0}


async def test_what_is_all_defaults_is_not_written_where_nothing_else_is_shown() -> None:
    """A cache of typed objects cannot tell it from none; a field `status` that may be None can, and so can a dict."""
    assert await stored(Greeting, Status(), Status()) == ([None, None], [])
    (status, again), writes = await stored(SometimesGreeting, Status(), Status())
    assert status == again == msgspec.json.decode(msgspec.json.encode(Status()))
    assert writes == [Write("patch", GREETINGS, HELLO, subresource="status")]


async def test_later_only_what_differs_is_sent() -> None:
    """Fields that the cache shows as wanted may have been changed by another meanwhile."""
    (status,), _ = await stored(Greeting, Status(ready=1, generation=2), status={"ready": 1, "generation": 1})
    assert status == {"ready": 1, "generation": 2}


async def test_a_field_that_a_type_got_later_is_written_where_it_may_be_none() -> None:
    """Otherwise the cache shows its default, which is as wanted."""

    (status,), _ = await stored(Grew, Grown(ready=1, restarts=0), status={"ready": 1})
    assert status == {"ready": 1, "restarts": 0}


async def test_the_full_form_stores_zeros_too() -> None:
    """`set_status` of an object that a client has read."""
    async with World(greeting(), kinds=[GREETINGS]) as world:
        client: Client = world.client
        found = await client.get(GREETINGS.of(Greeting), HELLO)
        status = await set_status(client, GREETINGS, found, Status(generation=1))
        assert (status["ready"], status["paused"]) == (0, False)
