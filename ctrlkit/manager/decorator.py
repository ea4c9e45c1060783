"""
A controller as one decorated function.

    @reconciler(GREETINGS, owns=[CONFIG_MAPS])
    async def greet(greeting: Greeting, context: Context) -> Outcome:
        have = context.lister(CONFIG_MAPS).find(context.key)
        ...
        return DONE

Thin: it makes the informers, the watches and the Controller that a build function would make, and looks the object up
before each call. What needs more (predicates, feeds, several informers of a kind) is written as a build function.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.controller import DONE, Controller, Mapper, Outcome, Request, Watch, to_owner, to_self
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.manager.manager import Manager
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, Resource
from ctrlkit.telemetry import logger

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """
    What a function decorated with @reconciler gets beside the object itself.

    Shape   `meta` is the object's metadata, whatever fields its Python type has. `log` carries the controller, the key
            and the attempt. `listers` and `recorder` are behind `lister` and `event`.
    """

    request: Request
    meta: ObjectMeta
    resource: AnyResource
    client: Client
    listers: Mapping[AnyResource, Lister[Any]]
    recorder: EventRecorder
    log: FilteringBoundLogger

    @property
    def key(self) -> ObjectKey:
        """The object's key."""
        return self.request.key

    def lister(self, resource: Resource[U]) -> Lister[U]:
        """The lister of a kind that the decorator names; LookupError for any other."""
        found = self.listers.get(resource)
        if found is None:
            raise LookupError(
                f"look up {resource} for {self.resource} {self.key}: no cache has it in this form; name it in "
                "@reconciler(..., owns=[...]) or watches={...}"
            )
        return found

    def event(self, event_type: EventType, reason: str, message: str) -> None:
        """Record an Event about the object; never waits, never fails."""
        self.recorder.event(self.meta, self.resource, event_type, reason, message)


Function = Callable[[T, Context], Awaitable[Outcome]]
"""Makes the world look as one object says it should. The object may be one that is being deleted."""


class ReconcilerFunction(Generic[T]):
    """
    A decorated function; called with a manager it makes its controller, as a build function does.

    Shape   `function` is the plain function, for tests of its own.
    """

    __name__: str

    def __init__(
        self,
        function: Function[T],
        resource: Resource[T],
        *,
        name: str,
        owns: Sequence[AnyResource],
        watches: Mapping[AnyResource, Mapper[Any]],
        workers: int,
        timeout_s: float | None,
    ) -> None:
        _check(function)
        if not isinstance(watches, Mapping):
            raise TypeError(
                f"@reconciler({resource.kind}): watches is {watches!r:.80}; write watches={{KIND: function}}, whose "
                "function returns the keys that an object leads to, or owns=[KIND] for objects that it owns"
            )
        functools.update_wrapper(self, function)
        self.function = function
        self.resource = resource
        self.name: str = name or function.__name__
        self.owns: tuple[AnyResource, ...] = tuple(owns)
        self.watches: dict[AnyResource, Mapper[Any]] = dict(watches)
        self._workers = workers
        self._timeout_s = timeout_s

    def __call__(self, manager: Manager) -> Controller:
        """Make the controller; each manager needs its own."""
        primary = manager.informer(self.resource)
        watches = [
            Watch(primary, to_self),
            *(Watch(manager.informer(child), to_owner(self.resource)) for child in self.owns),
            *(Watch(manager.informer(kind), to_keys) for kind, to_keys in self.watches.items()),
        ]
        listers = {watch.informer.resource: watch.informer.lister for watch in watches}
        recorder = manager.recorder(self.name)

        async def reconcile(request: Request) -> Outcome:
            record = primary.lister.find_record(request.key)
            if record is None:
                return DONE  # K18
            context = Context(
                request=request,
                meta=record.meta,
                resource=self.resource,
                client=manager.client,
                listers=listers,
                recorder=recorder,
                log=logger(self.name),
            )
            return await self.function(record.value, context)

        return Controller(
            name=self.name, reconcile=reconcile, watches=watches, workers=self._workers, timeout_s=self._timeout_s
        )

    def __repr__(self) -> str:
        return f"<reconciler {self.name} of {self.resource}>"


def reconciler(
    resource: Resource[T],
    *,
    name: str = "",
    owns: Sequence[AnyResource] = (),
    watches: Mapping[AnyResource, Mapper[Any]] | None = None,
    workers: int = 1,
    timeout_s: float | None = None,
) -> Callable[[Function[T]], ReconcilerFunction[T]]:
    """
    Turn an async function that takes an object of a kind, and a Context, into a controller.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS, PODS
    >>> @reconciler(PODS, owns=[CONFIG_MAPS], workers=4)
    ... async def describe(pod, context):
    ...     return DONE
    >>> describe
    <reconciler describe of pods>

    Shape   `name` is the function's, unless given. `owns` are kinds of children: a change of one leads to the object
            that controls it. `watches` are other kinds, each with what maps a state of it to keys of ours. Of all of
            them `Context.lister` reads the cache. `workers` and `timeout_s` as for Controller.
    Calls   The function is called with what the cache has of the object, also when that is being deleted, and not when
            it is gone.
    Errors  TypeError for a function that is not async, or does not take two arguments, and for @reconciler without a
            kind.
    """
    given: object = resource
    if not isinstance(given, Resource):
        name = getattr(given, "__name__", repr(given))
        raise TypeError(f"@reconciler takes a kind first, and got {name}; write @reconciler(KIND) above {name}")

    def decorate(function: Function[T]) -> ReconcilerFunction[T]:
        return ReconcilerFunction(
            function, resource, name=name, owns=owns, watches=watches or {}, workers=workers, timeout_s=timeout_s
        )

    return decorate


def _check(function: Callable[..., object]) -> None:
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"@reconciler: {name} is no async function; write `async def {name}(object, context)`")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        raise TypeError(
            f"@reconciler: {name}{inspect.signature(function)} cannot be called with an object and a context; write "
            f"`async def {name}(object, context)`"
        ) from None
