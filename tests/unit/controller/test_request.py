"""What a reconciler is told, and what may be one."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import AsyncMock

import pytest

from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from tests.unit.controller.support import one, pods


async def greet(_request: Request) -> Outcome:
    return DONE


class Greeter:
    async def __call__(self, request: Request, more: int = 0) -> Outcome:
        return DONE

    async def greet(self, request: Request) -> Outcome:
        return DONE

    def hurry(self, request: Request) -> Outcome:
        return DONE


class Hasty:
    def __call__(self, request: Request) -> Outcome:
        return DONE


def passed_on(request: Request) -> Awaitable[Outcome]:
    return greet(request)


@functools.wraps(greet)
def wrapped(*args: object) -> object:
    return greet(*args)  # type: ignore[arg-type]


def sync(request: Request) -> Outcome:
    return DONE


def unsaid(request):  # type: ignore[no-untyped-def]
    return DONE


async def generates(request: Request) -> Any:
    yield DONE


GOOD: list[Callable[..., Any]] = [
    greet,
    Greeter(),
    Greeter().greet,
    functools.partial(Greeter(), more=1),
    functools.partial(greet),
    passed_on,
    wrapped,
    lambda request: greet(request),  # noqa: PLW0108 - it is the subject
    AsyncMock(return_value=DONE),
]


@pytest.mark.parametrize("reconcile", GOOD)
def test_what_may_give_something_to_await_is_taken(reconcile: Any) -> None:
    """Functions, methods, objects, wrappers, lambdas, mocks."""
    assert one(reconcile, pods()).name == "test"


@pytest.mark.parametrize(
    ("reconcile", "complaint"),
    [
        (sync, "reconcile must be an async function, and sync is not; make it `async def sync`"),
        (unsaid, "unsaid is not; make it `async def unsaid`"),
        (functools.partial(sync), "sync is not; make it `async def sync`"),
        (Greeter().hurry, r"Greeter.hurry is not; make it `async def hurry`"),
        (Hasty(), "Hasty is not; make it `async def __call__`"),
        (Greeter, "reconcile is the class Greeter; give it an object of that class"),
        (generates, "generates is not"),
        (None, "got an object of type NoneType"),
    ],
)
def test_a_function_that_is_not_async_is_refused_by_its_name(reconcile: Any, complaint: str) -> None:
    """At construction, where the mistake can be seen."""
    with pytest.raises(TypeError, match=rf"^Controller test: .*{complaint}"):
        one(reconcile, pods())


@pytest.mark.behaviour("H9", "K1")
def test_options_that_cannot_be_meant_are_refused() -> None:
    """H9: a name and something to watch."""
    watches = [Watch(pods(), to_self)]
    for name, message, options in (
        ("", "name is empty", {}),
        ("x", "Controller x: watches is empty", {"watches": []}),
        ("x", "Controller x: workers must be at least 1, got 0", {"workers": 0}),
        ("x", "Controller x: timeout_s must be more than 0, or None for no limit; got 0", {"timeout_s": 0}),
        ("x", "got nan", {"timeout_s": float("nan")}),
    ):
        with pytest.raises(ValueError, match=message):
            Controller(**{"name": name, "reconcile": greet, "watches": watches, **options})  # type: ignore[arg-type]


def test_a_request_can_be_made_of_a_key_alone() -> None:
    """A reconciler can be called by a test."""
    from ctrlkit.model import ObjectKey

    request = Request(ObjectKey("demo", "net"))
    assert (request.namespace, request.name, request.attempt, request.causes) == ("demo", "net", 1, ())
