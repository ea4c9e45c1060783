"""
Create an object that is as its creators usually make it, so that nothing in it is to be read, changed or refused.

A kind says which objects are usual. What a server adds to such a one, and who owns its fields, follows from the names
of its fields alone: it is learnt from the first object of a form, which is created as any other is. Events are of such
a kind: a cluster writes more of them than of anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.admission import sees_anything
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.kinds.metadata import make_uid
from ctrlkit.fakes.tracker.kinds.strategy import Strategy
from ctrlkit.fakes.tracker.store import Stored
from ctrlkit.model import Action, ObjectKey, Verb

Form = tuple[Any, ...]
"""The manager, the version of the kind, and the names of the fields of an object and of the objects in it."""


def form_of(core: Core, served: Strategy, action: Action) -> Form | None:
    """Return the form of a new object if it is usual, and nothing but the kind's rules decides about it; else None."""
    if served.is_usual is None or action.verb is not Verb.CREATE or action.options.dry_run or sees_anything(core):
        return None
    body: Mapping[str, Any] = action.body
    if not served.is_usual(body):
        return None
    names = [(name, *value) if type(value) is dict else name for name, value in body.items()]
    return (action.options.field_manager, served.head, *names)


def create_usual(core: Core, served: Strategy, action: Action, form: Form) -> Stored | None:
    """Store a usual object under a free name in its own namespace; None if that is not so, or its form is a new one."""
    known = core.known_forms.get(form)
    meta: Mapping[str, Any] = action.body["metadata"]
    key = ObjectKey(action.namespace, meta["name"])
    if known is None or meta["namespace"] != action.namespace or core.find(served, key) is not None:
        return None
    time = clock.timestamp(exchanges.now())
    plain = {name: value for name, value in action.body.items() if name not in ("kind", "apiVersion")}
    born = {"uid": make_uid(), "creationTimestamp": time, "managedFields": [{**known["owner"], "time": time}]}
    plain |= known["added"]
    plain["metadata"] = {**meta, **born}
    return core.write(served, key, plain)


def learn(core: Core, form: Form, sent: Mapping[str, Any], stored: Stored) -> None:
    """Remember what became of the first object of a form."""
    added = {name: value for name, value in stored.plain.items() if name not in sent}
    core.known_forms[form] = {"owner": stored.metadata["managedFields"][0], "added": added}
