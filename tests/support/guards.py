"""A program with webhooks of each sort, described for tests of what runs it in a cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from ctrlkit import (
    DONE,
    Context,
    Definition,
    Denied,
    MergePatch,
    ObjectMeta,
    Outcome,
    Review,
    conversion,
    custom_resource,
    mutating,
    reconciler,
    validating,
)
from ctrlkit.deploy import Description, Program, description_of
from ctrlkit.model.kinds import CONFIG_MAPS, PODS
from tests.support.caches import rule


class GuardV1(msgspec.Struct, frozen=True):
    """A guard as it was."""

    metadata: ObjectMeta
    post: str = ""


class Guard(msgspec.Struct, frozen=True):
    """A guard."""

    metadata: ObjectMeta
    posts: tuple[str, ...] = ()


GUARDS_V1 = custom_resource(
    group="example.com", version="v1", kind="Guard", plural="guards", definition=Definition(storage=False)
).of(GuardV1)
GUARDS = custom_resource(
    group="example.com", version="v2", kind="Guard", plural="guards", definition=Definition(storage=True)
).of(Guard)


@conversion(GUARDS_V1, to=GUARDS)
def upgrade(guard: GuardV1) -> Guard:
    """From one post to many."""
    return Guard(metadata=guard.metadata, posts=(guard.post,) if guard.post else ())


@conversion(GUARDS, to=GUARDS_V1)
def downgrade(guard: Guard) -> GuardV1:
    """The first post is kept."""
    return GuardV1(metadata=guard.metadata, post="".join(guard.posts[:1]))


@mutating(GUARDS)
def defaults(guard: Guard, review: Review[Guard]) -> MergePatch | None:
    """A guard stands somewhere."""
    return None if guard.posts else MergePatch({"posts": ["gate"]})


@validating(GUARDS)
def check(guard: Guard, review: Review[Guard]) -> None:
    """Nobody stands on the roof."""
    if "roof" in guard.posts:
        raise Denied("posts: nobody stands on the roof; choose another post")


@validating(PODS, failure_policy="Ignore")
def watch_pods(pod: Any, review: Review[Any]) -> None:
    """Whatever pods there are."""


@reconciler(GUARDS, owns=[CONFIG_MAPS])
async def guard(guard: Guard, context: Context) -> Outcome:
    """Nothing is to be done."""
    return DONE


ROLES: list[dict[str, Any]] = [
    {
        "kind": "ClusterRole",
        "metadata": {"name": "guards"},
        "rules": [rule("", "configmaps", "list", "watch"), rule("example.com", "guards", "list", "watch")],
    }
]


def described(*, builds: Sequence[object] | None = None, **said: Any) -> Description:
    """The program, with other words of its author; `builds` is what is run of it, where that is not all."""
    usual = {"name": "guards", "version": "2.0.0", "namespace": "tower", "run": "tests.support.guards"}
    program = msgspec.convert({**usual, **said}, Program)
    return description_of(program, sys.modules[__name__], builds=builds, roles=ROLES)
