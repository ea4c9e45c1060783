"""
Create an object at once, and make it when somebody looks.

A cluster writes more Events than anything else, and hardly a test reads one. Of an Event that is promised there are the
version, the time, the random number of its uid, and what its body is made of; the store has the object made as any
other is, before anybody sees the kind or changes what decides about it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from ctrlkit import clock
from ctrlkit.errors import ApiError
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.admission import DECIDES_OF_NEW, admit_new, sees_anything
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.metadata import UID_BITS
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.store import Promises, Write
from ctrlkit.fakes.tracker.verbs.create import create
from ctrlkit.model import Action, AnyResource, ObjectKey, Options, Verb

T = TypeVar("T")

Body = Callable[[ObjectKey, T], dict[str, Any]]
"""Makes the body of an object of what was noted of it."""


class Promised(NamedTuple):
    """What an object is made of: when somebody looks at it, and as if it had been at its own time."""

    served: Strategy
    options: Options
    body: Body[Any]
    facts: Any
    now: datetime
    drawn: int


def promise(
    core: Core, resource: AnyResource, key: ObjectKey, body: Body[T], facts: T, *, options: Options
) -> Write | None:
    """
    Promise a new object, which must break no rule of its kind; return what was written.

    None if it is to be created now: others have a say, somebody watches, or it may be refused.
    """
    served = core.registry.find(resource.group, resource.version, resource.plural)
    if served is None or served.is_usual is None:
        return None
    promises = core.store.promised.get(served.refused_as.identity)
    if promises is None or key.namespace not in promises.namespaces:
        promises = _begin(core, served, key.namespace)
    if promises is None or promises.has(key):
        return None
    drawn = clock.random_source().getrandbits(UID_BITS)
    return core.store.promise(promises, key, Promised(served, options, body, facts, clock.now(), drawn))


def _begin(core: Core, served: Strategy, namespace: str) -> Promises | None:
    """The promises of a kind, where there may be one in a namespace."""
    if core.rights is not None or sees_anything(core):
        return None
    try:
        admit_new(core, served, Action(verb=Verb.CREATE, resource=served.resource, namespace=namespace), {})
    except ApiError:
        return None
    identity = served.refused_as.identity
    promises = core.store.promised.get(identity) or core.store.promises(
        identity, functools.partial(_make, core), rest_on=DECIDES_OF_NEW
    )
    if promises is not None:
        promises.namespaces.add(namespace)
    return promises


def _make(core: Core, key: ObjectKey, promised: Promised) -> None:
    action = Action(
        verb=Verb.CREATE,
        resource=promised.served.resource,
        namespace=key.namespace,
        name=key.name,
        body=promised.body(key, promised.facts),
        options=promised.options,
    )
    exchanges.as_of(promised.now, promised.drawn, create, core, promised.served, action)
