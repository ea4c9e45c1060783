"""Renewals: one at a time, not in the way of credentials that are still good, not lost with the call that asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta

import pytest
import structlog
from multidict import CIMultiDict

from ctrlkit import clock
from ctrlkit.errors import ConfigError
from ctrlkit.wire.config.credentials import (
    DEAD_WAIT_S,
    GOOD_WAIT_S,
    RENEW_AGAIN_S,
    RENEW_AHEAD_S,
    LoadedCredentials,
    RenewedCredentials,
)
from ctrlkit.wire.secrets import Secret

CALLER: ContextVar[str] = ContextVar("CALLER", default="nobody")


class Plugin:
    """Takes its time, and brings a token with a number that is good for an hour."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.runs = 0
        self.running = 0
        self.fails = False
        self.asked_by: list[str] = []

    async def __call__(self) -> LoadedCredentials:
        self.runs += 1
        self.running += 1
        assert self.running == 1, "two at once"
        self.asked_by.append(CALLER.get())
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.running -= 1
        if self.fails:
            raise ConfigError("the plugin failed")
        return loaded(f"t{self.runs}", 3600)


def loaded(token: str, good_s: float) -> LoadedCredentials:
    """A token that is good for a time."""
    headers = CIMultiDict(Authorization=Secret(token))
    return LoadedCredentials(source="test", headers=headers, expires=clock.now() + timedelta(seconds=good_s))


async def token_of(credentials: RenewedCredentials) -> str:
    """The token of the next call."""
    return (await credentials.headers())["Authorization"]


async def test_a_quick_renewal_is_waited_for() -> None:
    """A minute before the token runs out, so that nobody is refused first."""
    plugin = Plugin(takes_s=2)
    credentials = RenewedCredentials(loaded("t0", 100), plugin)
    assert await token_of(credentials) == "t0"
    await asyncio.sleep(100 - RENEW_AHEAD_S)
    assert [await token_of(credentials), plugin.runs] == ["t1", 1]


async def test_a_slow_renewal_does_not_hold_up_calls_whose_token_is_good() -> None:
    """They wait for it once, a little; the plugin runs once, whoever asks and gives up."""
    plugin = Plugin(takes_s=40)
    credentials = RenewedCredentials(loaded("t0", 100), plugin)
    await asyncio.sleep(100 - RENEW_AHEAD_S)
    began = clock.monotonic()
    assert await asyncio.gather(*(token_of(credentials) for _ in range(100))) == ["t0"] * 100
    assert clock.monotonic() - began == GOOD_WAIT_S
    assert await token_of(credentials) == "t0"
    assert clock.monotonic() - began == GOOD_WAIT_S
    await asyncio.sleep(30)
    assert await asyncio.gather(*(token_of(credentials) for _ in range(100))) == ["t0"] * 100
    await asyncio.sleep(10)
    assert [await token_of(credentials), plugin.runs] == ["t1", 1]


async def test_a_renewal_goes_on_without_the_call_that_began_it() -> None:
    """And has nothing of that call's context."""
    plugin = Plugin(takes_s=4)
    credentials = RenewedCredentials(loaded("t0", 0), plugin)
    await asyncio.sleep(RENEW_AGAIN_S)
    CALLER.set("a reconcile")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await credentials.headers()
    assert [await token_of(credentials), plugin.runs, plugin.asked_by] == ["t1", 1, ["nobody"]]


async def test_calls_wait_longer_for_a_renewal_when_the_token_is_no_good() -> None:
    """But no longer than they have time: then the server says what it thinks of it."""
    plugin = Plugin(takes_s=60)
    credentials = RenewedCredentials(loaded("t0", 0), plugin)
    await asyncio.sleep(RENEW_AGAIN_S)
    began = clock.monotonic()
    assert await token_of(credentials) == "t0"
    assert clock.monotonic() - began == DEAD_WAIT_S
    assert credentials.refused(began), "the next try may find a fresh one"
    await credentials.close()


async def test_a_refusal_while_a_renewal_runs_waits_for_it() -> None:
    """Also where the old token had time left: the server knows better."""
    plugin = Plugin(takes_s=8)
    credentials = RenewedCredentials(loaded("t0", 100), plugin)
    await asyncio.sleep(100 - RENEW_AHEAD_S)
    assert await token_of(credentials) == "t0"
    assert credentials.refused(clock.monotonic())
    assert [await token_of(credentials), plugin.runs] == ["t1", 1]


async def test_a_failed_renewal_is_tried_again_after_a_while() -> None:
    """Not for each call, and with a line for each try; the old token goes on meanwhile."""
    plugin = Plugin()
    plugin.fails = True
    credentials = RenewedCredentials(loaded("t0", 0), plugin)
    await asyncio.sleep(RENEW_AGAIN_S)
    with structlog.testing.capture_logs() as logs:
        assert [await token_of(credentials) for _ in range(5)] == ["t0"] * 5
        assert plugin.runs == 1
        await asyncio.sleep(RENEW_AGAIN_S)
        assert await token_of(credentials) == "t0"
    assert [each["event"] for each in logs] == ["credentials_not_renewed"] * 2
    plugin.fails = False
    await asyncio.sleep(RENEW_AGAIN_S)
    assert await token_of(credentials) == "t3"


async def test_a_mistake_in_a_renewal_is_raised_by_the_call_that_meets_it() -> None:
    """Nothing unforeseen is passed over."""

    async def mistaken() -> LoadedCredentials:
        raise ZeroDivisionError

    credentials = RenewedCredentials(loaded("t0", 0), mistaken)
    await asyncio.sleep(RENEW_AGAIN_S)
    with pytest.raises(ZeroDivisionError):
        await credentials.headers()
    assert await token_of(credentials) == "t0"


@pytest.mark.parametrize("begin", [True, False])
async def test_closing_ends_a_renewal(*, begin: bool) -> None:
    """No process and no task is left; a call that waits for it goes on with what there is."""
    plugin = Plugin(takes_s=1000)
    credentials = RenewedCredentials(loaded("t0", 0), plugin)
    await asyncio.sleep(RENEW_AGAIN_S)
    waiting: Callable[[], object] = asyncio.create_task(token_of(credentials)).done if begin else lambda: True
    await asyncio.sleep(0)
    began = clock.monotonic()
    await credentials.close()
    await asyncio.sleep(0)
    assert clock.monotonic() == began, "it is ended, not waited for"
    assert plugin.running == 0
    assert waiting()
