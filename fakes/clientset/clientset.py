"""
A clientset for unit tests: it records calls, lets the test answer them, and passes the rest to a tracker.

A call goes through the log ⇒ faults ⇒ interceptors ⇒ reactors ⇒ the tracker. The first answer of a reactor counts, else
the tracker's.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from ctrlkit.errors import ApiError
from ctrlkit.fakes.clientset.calls import Calls, key_of
from ctrlkit.fakes.clientset.faults import Faults, Interceptor, WatchInterceptor
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.callers import User
from ctrlkit.fakes.tracker.rights import Attributes
from ctrlkit.fakes.tracker.schema.depth import decode, encode
from ctrlkit.fakes.tracker.tracker import with_body
from ctrlkit.model import Action, AnyResource, Lines, Resource, Verb, to_plain
from ctrlkit.model.streams import Connection

if TYPE_CHECKING:
    from ctrlkit.client import Client

Reactor = Callable[[Action], object | Awaitable[object]]
"""Returns None to pass, an object to answer, or raises ApiError to refuse; may be a coroutine function."""

WatchReactor = Callable[[Action], AbstractAsyncContextManager[Lines] | None]
"""Returns None to pass, or a context manager with a stream of its own."""


class _Kind(Resource[Any]):
    """A Resource that compares equal whatever the Python type: writer and reader may use different ones."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resource) and _place(self) == _place(other)

    __hash__ = Resource.__hash__


@dataclass(frozen=True, slots=True)
class Write:
    """
    A write call, for assertions: equal to any other of the same verb, kind, object and subresource.

    >>> from ctrlkit.model.kinds import STATEFULSETS
    >>> Write("update", STATEFULSETS, "demo/net-sts", subresource="scale")
    Write('update statefulsets.apps/scale demo/net-sts')

    Shape   `key` is `namespace/name`; a create by generateName has `namespace/`. `resource` of a recorded write equals
            (==) the same kind with any Python type.
    """

    verb: str
    resource: AnyResource
    key: str
    subresource: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Write) and self._facts == other._facts

    def __hash__(self) -> int:
        return hash(self._facts)

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)
        return f"{self.verb} {what} {self.key}".rstrip()

    def __repr__(self) -> str:
        return f"Write('{self}')"

    @property
    def _facts(self) -> tuple[str, tuple[str, str], str, str]:
        return (str(self.verb), self.resource.identity, self.key, self.subresource)


@dataclass(frozen=True, slots=True)
class _Rule:
    calls: Calls
    react: Callable[[Action], Any]


class FakeClientset:
    """
    A Transport over a tracker, with an action log and reactors.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> seeded = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    >>> clientset = FakeClientset(None, seeded)
    >>> clientset.tracker.get(CONFIG_MAPS, "default/a").key, clientset.actions
    (ObjectKey(namespace='default', name='a'), ())

    Shape   Objects given at construction are plain dicts of registered kinds; they do not appear in the log, and
            namespaces that they need are created. Every call is recorded, as a deep copy, before any reactor sees it.
            What a reactor changes in the body of its Action, later reactors and the tracker see. A reactor may use the
            client; those calls are recorded, too, and no lock is held. A failure Status that a reactor returns is
            raised as its ApiError. `faults` scripts failures of the server.
    Errors  ValueError for an object of a kind that is not registered, and for a reactor to calls that there cannot be.
    """

    streams_lists: bool = False
    """Caches fill by LIST calls, not by streamed lists, so that reactors to `list` see them."""

    def __init__(self, tracker: Tracker | None = None, *objects: Mapping[str, Any]) -> None:
        self.tracker: Tracker = Tracker() if tracker is None else tracker
        """The server that answers, to look at and to change behind everybody's back."""
        self._log: list[Action] = []
        self._rules: list[_Rule] = []
        self._watch_rules: list[_Rule] = []
        self.faults: Faults = Faults(self.tracker.registry)
        """Failures of the server that a test scripts."""
        self._interceptors: list[Interceptor] = [self.faults.intercept]
        self._watch_interceptors: list[WatchInterceptor] = [self.faults.intercept_watch]
        seed(self.tracker, *objects)

    @functools.cached_property
    def client(self) -> Client:
        """A Client over this clientset."""
        from ctrlkit.client import Client  # noqa: PLC0415  # whoever needs only the Transport does not pay for it

        return Client(self, field_manager="test")

    @property
    def actions(self) -> tuple[Action, ...]:
        """Copies of all calls so far, oldest first."""
        return tuple(wire_copy(action) for action in self._log)

    @property
    def writes(self) -> list[Write]:
        """The write calls so far, oldest first."""
        return [write_of(wire_copy(action)) for action in self._log if action.verb.writes]

    def clear_actions(self) -> None:
        """Forget the calls so far."""
        self._log.clear()

    def add_reactor(self, verb: str, resource: AnyResource | str, fn: Reactor) -> None:
        """Call `fn` after the existing reactors; verb and resource may be "*", a resource also "pods/status"."""
        self._rules.append(self._rule(verb, resource, fn))

    def prepend_reactor(self, verb: str, resource: AnyResource | str, fn: Reactor) -> None:
        """Call `fn` before the existing reactors."""
        self._rules.insert(0, self._rule(verb, resource, fn))

    def add_watch_reactor(self, resource: AnyResource | str, fn: WatchReactor) -> None:
        """Call `fn` for watches after the existing watch reactors; the tracker serves what none answers."""
        self._watch_rules.append(self._rule("watch", resource, fn))

    def prepend_watch_reactor(self, resource: AnyResource | str, fn: WatchReactor) -> None:
        """Call `fn` for watches before the existing watch reactors."""
        self._watch_rules.insert(0, self._rule("watch", resource, fn))

    def _rule(self, verb: str, resource: AnyResource | str, fn: Callable[[Action], Any]) -> _Rule:
        calls = Calls(verb, resource)
        calls.check(self.tracker.registry)
        return _Rule(calls, fn)

    def intercept(self, fn: Interceptor) -> None:
        """
        Wrap every call except watches in `fn`, a coroutine function; the first one added is the outermost.

            async def slow(action, call_next):
                await asyncio.sleep(2)
                return await call_next(action)
        """
        self._interceptors.append(fn)

    def intercept_watch(self, fn: WatchInterceptor) -> None:
        """Wrap every watch in `fn`, which returns an async context manager as `call_next(action)` does."""
        self._watch_interceptors.append(fn)

    async def do(self, action: Action) -> bytes:
        """Perform any verb except watch (Transport)."""
        sent = _sent(action)
        self._log.append(sent)
        return await self.do_unrecorded(sent)

    async def do_unrecorded(self, action: Action) -> bytes:
        """Perform a call as `do`, without recording it in `actions`."""
        perform = self._answer
        for interceptor in reversed(self._interceptors):
            perform = functools.partial(_intercepted, interceptor, perform)
        return await perform(wire_copy(action))

    def watch(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch (Transport)."""
        self._log.append(wire_copy(action))
        return self.watch_unrecorded(action)

    def watch_unrecorded(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        """Open a watch as `watch`, without recording it in `actions`."""
        perform: Callable[[Action], AbstractAsyncContextManager[Lines]] = self._open
        for interceptor in reversed(self._watch_interceptors):
            perform = functools.partial(_intercepted_watch, interceptor, perform)
        return perform(action)

    def token_keys(self) -> list[dict[str, str]]:
        """See Tracker.token_keys."""
        return self.tracker.token_keys()

    def authenticate(self, token: str) -> User | None:
        """See Tracker.authenticate."""
        return self.tracker.authenticate(token)

    @property
    def has_rbac(self) -> bool:
        """See Tracker.has_rbac."""
        return self.tracker.has_rbac

    def refusal(self, user: User, wanted: Attributes) -> ApiError | None:
        """See Tracker.refusal."""
        return self.tracker.refusal(user, wanted)

    @asynccontextmanager
    async def read(self, action: Action) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a log of the tracker (StreamTransport); the call is recorded, reactors and faults do not see it."""
        self._log.append(wire_copy(action))
        async with self.tracker.read(action) as pieces:
            yield pieces

    @asynccontextmanager
    async def connect(self, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
        """Open a connection of the tracker (StreamTransport); the call is recorded, as by `read`."""
        self._log.append(wire_copy(action))
        async with self.tracker.connect(action, protocols) as connection:
            yield connection

    async def _answer(self, action: Action) -> bytes:
        for rule in tuple(self._rules):
            if rule.calls.matches(action):
                answer = rule.react(action)
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer is not None:
                    return _encode(action, answer)
        return await self.tracker.do(action)

    def _open(self, action: Action) -> AbstractAsyncContextManager[Lines]:
        for rule in tuple(self._watch_rules):
            if rule.calls.matches(action):
                answer: AbstractAsyncContextManager[Lines] | None = rule.react(action)
                if answer is not None:
                    return answer
        return self.tracker.watch(action)


async def _intercepted(
    interceptor: Interceptor, call_next: Callable[[Action], Awaitable[bytes]], action: Action
) -> bytes:
    return await interceptor(action, call_next)


def _intercepted_watch(
    interceptor: WatchInterceptor, call_next: Callable[[Action], AbstractAsyncContextManager[Lines]], action: Action
) -> AbstractAsyncContextManager[Lines]:
    return interceptor(action, call_next)


@functools.lru_cache(maxsize=1024)
def plain_kind(resource: AnyResource) -> _Kind:
    """Return a kind without its Python type."""
    given = [field.name for field in dataclasses.fields(Resource) if field.init]
    return _Kind(**{name: getattr(resource, name) for name in given})


def write_of(action: Action) -> Write:
    """Return the Write of a call."""
    resource = plain_kind(action.resource)
    return Write(action.verb, resource, key_of(action), action.subresource)


def _place(resource: AnyResource) -> tuple[str, str, str, str]:
    return (resource.group, resource.version, resource.plural, resource.kind)


def wire_copy(action: Action) -> Action:
    """Copy an action, its body converted to plain JSON data as on the wire."""
    return action if action.body is None else with_body(action, decode(encode(action.body)))


def _sent(action: Action) -> Action:
    """Copy an action, its body as the bytes that travel: most of what is recorded is never looked at."""
    return action if action.body is None else with_body(action, msgspec.Raw(encode(action.body)))


def _encode(action: Action, answer: object) -> bytes:
    """Encode a reactor's answer; an object without a kind gets the kind that was requested."""
    if isinstance(answer, bytes):
        return answer
    plain = to_plain(answer)
    if not isinstance(plain, dict):
        return encode(plain)
    if plain.get("kind") == "Status" and plain.get("status") == "Failure":
        raise ApiError.of_status(plain)
    return encode(plain if "kind" in plain else _identity(action) | plain)


def _identity(action: Action) -> dict[str, str]:
    resource = action.resource
    if action.subresource == "scale":
        return {"kind": "Scale", "apiVersion": "autoscaling/v1"}
    is_list = action.verb in (Verb.LIST, Verb.DELETE_COLLECTION)
    return {"kind": resource.list_kind if is_list else resource.kind, "apiVersion": resource.api_version}
