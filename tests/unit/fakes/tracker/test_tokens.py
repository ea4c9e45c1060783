"""Tokens of service accounts: who they stand for, and when they no longer do."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model import Action, Verb
from ctrlkit.model.kinds import PODS, SERVICE_ACCOUNTS
from tests.support.objects import a_pod

BOT = "system:serviceaccount:default:bot"


def token_of(tracker: Tracker, **spec: Any) -> str:
    action = Action(
        verb=Verb.CREATE,
        resource=SERVICE_ACCOUNTS,
        namespace="default",
        name="bot",
        subresource="token",
        body={"spec": spec},
    )
    token: str = msgspec.json.decode(tracker.call(action))["status"]["token"]
    return token


def with_an_account() -> Tracker:
    tracker = Tracker()
    tracker.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}})
    return tracker


def name_of(tracker: Tracker, token: str) -> str | None:
    """The name of the user that a token stands for."""
    user = tracker.authenticate(token)
    return user["username"] if user else None


@pytest.mark.virtual_time
async def test_a_token_is_valid_for_its_time_and_audience() -> None:
    """Neither one that was changed, nor one of another server, nor one for others is taken."""
    tracker = with_an_account()
    token = token_of(tracker, expirationSeconds=600)
    assert name_of(tracker, token) == BOT
    head, claims, signature = token.split(".")
    other = token_of(tracker).split(".")[1]
    for wrong in (f"{head}.{other}.{signature}", f"{head}.{claims}.", f"{head}.{claims}", "", "a.b.c", "ä.ö.ü"):
        assert name_of(tracker, wrong) is None
    assert name_of(with_an_account(), token) is None
    assert name_of(tracker, token_of(tracker, audiences=["vault"])) is None
    await asyncio.sleep(600)
    assert name_of(tracker, token) is None


async def test_a_token_ends_with_what_it_is_bound_to() -> None:
    """The pod, and the account itself: one of the same name is another one."""
    tracker = with_an_account()
    tracker.create(PODS, a_pod(serviceAccountName="bot"))
    bound = token_of(tracker, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
    free = token_of(tracker)
    assert (name_of(tracker, bound), name_of(tracker, free)) == (BOT, BOT)
    tracker.delete(PODS, "default/p")
    assert (name_of(tracker, bound), name_of(tracker, free)) == (None, BOT)
    tracker.delete(SERVICE_ACCOUNTS, "default/bot")
    tracker.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}})
    assert name_of(tracker, free) is None
