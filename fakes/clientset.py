"""
A client for unit tests: records what is asked, lets the test answer, and passes the rest to a tracker.

    in   Actions of a Client, or of anything else that speaks to a Transport
    out  the first answer of a reactor, else the tracker's
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ctrlkit.errors import AlreadyExists
from ctrlkit.model import Action, AnyResource, Lines, ObjectKey, Verb, to_plain
from ctrlkit.model.kinds import NAMESPACES
from fakes.tracker import Tracker

if TYPE_CHECKING:
    from ctrlkit.client import Client

Reactor = Callable[[Action], object | Awaitable[object]]
"""Passes with None, answers with an object, or refuses by raising ApiError; may be a coroutine function."""

WatchReactor = Callable[[Action], AbstractAsyncContextManager[Lines] | None]
"""Passes with None, or answers with a stream of its own."""


@dataclass(frozen=True, slots=True)
class Write:
    """
    A write as a test wants to read it: equal to any other of the same verb, kind, object and subresource.

    >>> from ctrlkit.model.kinds import STATEFULSETS
    >>> Write("update", STATEFULSETS, "demo/net-sts", subresource="scale")
    Write('update statefulsets.apps/scale demo/net-sts')

    Shape   `key` is `namespace/name`; a create by generateName has the namespace alone, with the slash.
    """

    verb: str
    resource: AnyResource
    key: str
    subresource: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Write) and self._facts == other._facts

    def __hash__(self) -> int:
        return hash(self._facts)

    def __repr__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)
        return f"Write('{self.verb} {what} {self.key}')"

    @property
    def _facts(self) -> tuple[str, tuple[str, str], str, str]:
        return (str(self.verb), self.resource.identity, self.key, self.subresource)


@dataclass(frozen=True, slots=True)
class _Rule:
    verb: str
    plural: str
    subresource: str
    group: str | None
    react: Callable[[Action], Any]

    def applies(self, action: Action) -> bool:
        """Row T3: a bare plural stands for the kind and all its subresources."""
        resource = action.resource
        return (
            self.verb in ("*", action.verb)
            and self.plural in ("*", resource.plural)
            and self.group in (None, resource.group)
            and self.subresource in ("", action.subresource)
        )


class FakeClientset:
    """
    A Transport over a tracker, with an action log and reactors (rows T1 to T5).

    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> seeded = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    >>> clientset = FakeClientset(None, seeded)
    >>> clientset.tracker.get(CONFIG_MAPS, "default/a").key, clientset.actions
    (ObjectKey(namespace='default', name='a'), ())

    Shape   Objects given at construction are plain dicts of registered kinds; they do not appear in the log, and a
            namespace they need is made for them. Every call is recorded before any reactor sees it, as a deep copy;
            what a reactor does to the body of its Action, later reactors and the tracker see.
            A reactor may call the client, which is then recorded too; no lock is held (B29).
    Errors  ValueError for a seeded object of a kind that is not registered.
    """

    def __init__(self, tracker: Tracker | None = None, *objects: Mapping[str, Any]) -> None:
        self.tracker = Tracker() if tracker is None else tracker
        self._log: list[Action] = []
        self._rules: list[_Rule] = []
        self._watch_rules: list[_Rule] = []
        for item in objects:
            seed(self.tracker, item)

    @functools.cached_property
    def client(self) -> Client:
        """A Client over this clientset."""
        from ctrlkit.client import Client  # noqa: PLC0415  # whoever needs only the Transport does not pay for it

        return Client(self)

    @property
    def actions(self) -> tuple[Action, ...]:
        """All calls so far, oldest first, as they were when they were made."""
        return tuple(_copy(action) for action in self._log)

    @property
    def writes(self) -> list[Write]:
        """The calls that change state, oldest first."""
        return [_write(action) for action in self._log if action.verb.writes]

    def clear_actions(self) -> None:
        """Forget the calls so far."""
        self._log.clear()

    def add_reactor(self, verb: str, resource: AnyResource | str, fn: Reactor) -> None:
        """Ask `fn` about calls after all reactors so far; both may be "*", a resource also "pods/status"."""
        self._rules.append(_rule(verb, resource, fn))

    def prepend_reactor(self, verb: str, resource: AnyResource | str, fn: Reactor) -> None:
        """Ask `fn` about calls before all reactors so far."""
        self._rules.insert(0, _rule(verb, resource, fn))

    def add_watch_reactor(self, resource: AnyResource | str, fn: WatchReactor) -> None:
        """Ask `fn` about watches after all watch reactors so far; what none answers is watched in the tracker."""
        self._watch_rules.append(_rule("watch", resource, fn))

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        self._log.append(_copy(action))
        asked = _copy(action)
        for rule in tuple(self._rules):
            if rule.applies(asked):
                answer = rule.react(asked)
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer is not None:
                    return _encode(answer)
        return await self.tracker.do(asked)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Open a watch (Transport)."""
        self._log.append(_copy(action))
        async with self._open(action) as lines:
            yield lines

    def _open(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        for rule in tuple(self._watch_rules):
            if rule.applies(action):
                answer: AbstractAsyncContextManager[Lines] | None = rule.react(action)
                if answer is not None:
                    return answer
        return self.tracker.watch(action)


def seed(tracker: Tracker, item: Mapping[str, Any]) -> None:
    """Put an object, its status included, into a tracker as if it had been there before."""
    body: dict[str, Any] = to_plain(item)
    served = tracker.registry.find_kind(body.get("apiVersion", ""), body.get("kind", ""))
    if served is None:
        raise ValueError(
            f"seed an object of {body.get('apiVersion') or 'no apiVersion'}, {body.get('kind') or 'no kind'}: "
            "no such kind is registered; seed its CustomResourceDefinition first"
        )
    resource = served.resource
    namespace = (body.get("metadata") or {}).get("namespace") or ""
    if resource.namespaced and namespace:
        with contextlib.suppress(AlreadyExists):
            tracker.create(NAMESPACES, {"metadata": {"name": namespace}})
    made = tracker.create(resource, body)
    if served.has_status and body.get("status"):
        tracker.update(resource, made | {"status": body["status"]}, subresource="status")


def _rule(verb: str, resource: AnyResource | str, fn: Callable[[Action], Any]) -> _Rule:
    if isinstance(resource, str):
        plural, _, subresource = resource.partition("/")
        return _Rule(verb, plural, subresource, None, fn)
    return _Rule(verb, resource.plural, "", resource.group, fn)


def _write(action: Action) -> Write:
    key = action.key
    if action.verb is Verb.CREATE and not action.name:
        metadata = action.body.get("metadata") if isinstance(action.body, Mapping) else None
        key = ObjectKey(action.namespace, (metadata or {}).get("name") or "")
    return Write(action.verb.value, action.resource, str(key), action.subresource)


def _copy(action: Action) -> Action:
    return dataclasses.replace(action, body=copy.deepcopy(action.body)) if action.body is not None else action


def _encode(answer: object) -> bytes:
    return answer if isinstance(answer, bytes) else msgspec.json.encode(to_plain(answer))
