"""
A controller as one decorated function.

    @reconciler(GREETINGS, owns=[CONFIG_MAPS])
    async def greet(greeting: Greeting, context: Context) -> Outcome:
        have = context.lister(CONFIG_MAPS).find(context.key)
        ...
        return DONE

    @greet.finalizer("demo.example.com/page")
    async def take_down(greeting: Greeting, context: Context) -> Outcome:
        ...

Thin: it makes the informers, the watches, the Finalizers and the Controller that a build function would make, and looks
the object up before each call. There is no other way from it to work than theirs.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ctrlkit.cache import Change, Informer
from ctrlkit.controller import (
    DONE,
    Children,
    Controller,
    Cron,
    Every,
    Finalizers,
    Mapper,
    Outcome,
    Replicas,
    Request,
    Schedule,
    Source,
    Watch,
    to_owner,
    to_self,
)
from ctrlkit.manager.context import Context
from ctrlkit.manager.dependencies import Dependency
from ctrlkit.manager.manager import Manager
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta, Resource
from ctrlkit.telemetry import logger
from ctrlkit.workqueue import WorkQueue

T = TypeVar("T")

ChangePredicate = Callable[[Change[Any]], bool]
"""Says whether a change matters, as `generation_changed` does."""


Function = Callable[[T, Context], Awaitable[Outcome]]
"""Makes the world look as one object says it should. The object may be one that is being deleted."""

AnySource = Source | Callable[[Manager], Source]
"""A source of keys, or what makes one with a manager's informers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the keys of a decorated function come from; see `reconciler`."""

    owns: Sequence[AnyResource] = ()
    watches: Mapping[AnyResource, Mapper[Any]]
    predicates: Mapping[AnyResource, ChangePredicate]
    schedules: Sequence[Every | Cron] = ()
    more: Sequence[AnySource] = ()

    def check(self, resource: AnyResource) -> None:
        """TypeError, ValueError for what makes no source."""
        what = f"@reconciler({resource.kind})"
        for name, example in (("watches", "KIND: function"), ("predicates", "KIND: generation_changed")):
            given: object = getattr(self, name)
            if not isinstance(given, Mapping):
                raise TypeError(
                    f"{what}: {name} is {given!r:.80}; write {name}={{{example}}}, whose function {_ANSWERS[name]}"
                )
            _check_each(given, _is_kind, f"{what}: {name}", _kind_meant)
            _check_each(given.values(), callable, f"{what}: {name}", f"a function that {_ANSWERS[name]}")
        _check_each(self.owns, _is_kind, f"{what}: owns", _kind_meant)
        _check_each(self.schedules, _is_schedule, f"{what}: schedules", _schedule_meant)
        _check_each(self.more, _is_source, f"{what}: sources", "a source, such as a Feed, or a function that makes one")
        known = {resource, *self.owns, *self.watches}
        if unknown := [str(kind) for kind in self.predicates if kind not in known]:
            raise ValueError(
                f"{what}: predicates are about {', '.join(unknown)}, which it does not watch; "
                "name the kind in owns or watches as well, in the same form"
            )

    def made(self, manager: Manager, resource: AnyResource) -> list[Source]:
        """The sources that a build function would make; the first is the watch of the kind itself."""

        def watch(kind: AnyResource, mapper: Mapper[Any]) -> Source:
            return Watch(manager.informer(kind), mapper, predicate=self.predicates.get(kind))

        keys = manager.informer(resource).lister.keys
        return [
            watch(resource, to_self),
            *(watch(kind, to_owner(resource)) for kind in self.owns),
            *(watch(kind, mapper) for kind, mapper in self.watches.items()),
            *(Schedule(_name_of(when), keys, when) for when in self.schedules),
            *(source(manager) if callable(source) else source for source in self.more),
        ]


_ANSWERS: Final = {
    "watches": "returns the keys that an object leads to, or owns=[KIND] for objects that it owns",
    "predicates": "says whether a change matters",
}


@dataclass(frozen=True, slots=True)
class _Subject(Generic[T]):
    """An object and its context, as Finalizers want one: with metadata, which its type need not have."""

    metadata: ObjectMeta
    object: T
    context: Context


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
        sources: Sources,
        uses: Sequence[Dependency[Any]],
        workers: int,
        timeout_s: float | None,
        replicas: Replicas,
        queue: Callable[[], WorkQueue[ObjectKey]],
    ) -> None:
        _check(function, "@reconciler")
        if not callable(queue):
            raise TypeError(
                f"@reconciler({resource.kind}): queue is {_shown(queue)}; write a function that makes one, "
                "queue=lambda: WorkQueue(...), as each manager needs its own"
            )
        sources.check(resource)
        _check_each(uses, _is_dependency, f"@reconciler({resource.kind}): uses", "a function under @dependency")
        functools.update_wrapper(self, function)
        self.function = function
        """The plain function, for tests of its own."""
        self.resource = resource
        """The kind that it reconciles."""
        self.name: str = name or function.__name__
        """The name of the controller."""
        self.owns: tuple[AnyResource, ...] = tuple(sources.owns)
        """The kinds of its children."""
        self.watches: dict[AnyResource, Mapper[Any]] = dict(sources.watches)
        """Other kinds that it watches, each with its mapper."""
        self.uses: tuple[Dependency[Any], ...] = tuple(uses)
        """Its dependencies."""
        self._sources = sources
        self._finalizers: dict[str, Function[T]] = {}
        self._workers = workers
        self._timeout_s = timeout_s
        self._replicas = replicas
        self._queue = queue

    def finalizer(self, name: str) -> Callable[[Function[T]], Function[T]]:
        """
        Add a cleanup that the deletion of an object waits for, behind a finalizer of this name.

            @caches.finalizer("example.com/registry")
            async def forget(cache: Cache, context: Context) -> Outcome:
                await context.use(registry).forget(cache.metadata.name)
                return DONE

        Shape   The same as Finalizers.register: every object has the finalizer before the reconciler is called for it,
                and of one that is being deleted the cleanups are called instead, in the order in which they stand in
                the module, each until it returns DONE. The function stays as it is.
        Errors  ValueError for a name without a domain, and for one that is taken.
        """
        if not all(name.partition("/")[::2]):
            raise ValueError(
                f"@{self.name}.finalizer: {name!r} has no domain; write it as example.com/{name or 'name'}"
            )
        if name in self._finalizers:
            raise ValueError(f"@{self.name}.finalizer: there is a {name} already; use another name")

        def add(function: Function[T]) -> Function[T]:
            _check(function, f"@{self.name}.finalizer")
            self._finalizers[name] = function
            return function

        return add

    def __call__(self, manager: Manager) -> Controller:
        """Make the controller; each manager needs its own."""
        primary: Informer[T] = manager.informer(self.resource)
        sources = self._sources.made(manager, self.resource)
        listers = {watch.informer.resource: watch.informer.lister for watch in sources if isinstance(watch, Watch)}
        recorder, children = manager.recorder(self.name), Children(manager.client, self.resource)
        provided = {wanted: manager.use(wanted) for wanted in self.uses}
        finalizers = self._finalizers_of(manager)

        async def reconcile(request: Request) -> Outcome:
            record = primary.lister.find_record(request.key)
            if record is None:
                return DONE  # K18
            thing = record.value
            context = Context(
                request=request,
                meta=record.meta,
                resource=self.resource,
                client=manager.client,
                listers=listers,
                recorder=recorder,
                log=logger(self.name),
                instances={wanted: each.value for wanted, each in provided.items()},
                children=children,
                object=thing,
            )
            if finalizers is not None:
                ending = await finalizers.handle(_Subject(record.meta, thing, context))
                if ending is not None:
                    return ending
            return await self.function(thing, context)

        return Controller(
            name=self.name,
            reconcile=reconcile,
            watches=sources,
            workers=self._workers,
            timeout_s=self._timeout_s,
            replicas=self._replicas,
            queue=self._queue(),
        )

    def _finalizers_of(self, manager: Manager) -> Finalizers[_Subject[T]] | None:
        if not self._finalizers:
            return None
        finalizers: Finalizers[_Subject[T]] = Finalizers(manager.client, self.resource)
        for name, function in self._finalizers.items():
            finalizers.register(name, functools.partial(_clean_up, function))
        return finalizers

    def __repr__(self) -> str:
        return f"<reconciler {self.name} of {self.resource}>"


def reconciler(
    resource: Resource[T],
    *,
    name: str = "",
    owns: Sequence[AnyResource] = (),
    watches: Mapping[AnyResource, Mapper[Any]] | None = None,
    predicates: Mapping[AnyResource, ChangePredicate] | None = None,
    schedules: Sequence[Every | Cron] = (),
    sources: Sequence[AnySource] = (),
    uses: Sequence[Dependency[Any]] = (),
    workers: int = 1,
    timeout_s: float | None = None,
    replicas: Replicas = Replicas.LEADER,
    queue: Callable[[], WorkQueue[ObjectKey]] = WorkQueue,
) -> Callable[[Function[T]], ReconcilerFunction[T]]:
    """
    Turn an async function that takes an object of a kind, and a Context, into a controller.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS, PODS
    >>> @reconciler(PODS, owns=[CONFIG_MAPS], schedules=[Every(600)], workers=4)
    ... async def describe(pod, context):
    ...     return DONE
    >>> describe
    <reconciler describe of pods>

    Shape   `name` is the function's, unless given. `owns` are kinds of children: a change of one leads to the object
            that controls it. `watches` are other kinds, each with what maps a state of it to keys of ours. Of all of
            them `Context.lister` reads the cache. `predicates` say of a watched kind, the object's own included, which
            changes matter. `schedules` say when all objects are looked at again. `sources` are others, such as a
            Feed, or functions that make one, such as a Watch with more to it, with the manager. `uses` are
            dependencies, which `Context.use` gives. `workers`, `timeout_s` and `replicas` as for Controller. `queue`
            makes one with delays or flows of your own: `lambda: WorkQueue(limiter=ExponentialPerKey(base_s=1))`.
    Calls   The function is called with what the cache has of the object, and not when it is gone. With finalizers
            (`@describe.finalizer("example.com/x")`) it is not called for an object that is being deleted; without any
            it is.
    Errors  TypeError for a function that is not async, or does not take two arguments, and for @reconciler without a
            kind, and for an argument of another sort; ValueError for predicates of a kind that is not watched.
    """
    given: object = resource
    if not isinstance(given, Resource):
        name = getattr(given, "__name__", repr(given))
        raise TypeError(f"@reconciler takes a kind first, and got {name}; write @reconciler(KIND) above {name}")
    places = Sources(
        owns=_listed(owns, resource, "owns"),
        watches={} if watches is None else watches,
        predicates={} if predicates is None else predicates,
        schedules=_listed(schedules, resource, "schedules"),
        more=_listed(sources, resource, "sources"),
    )
    dependencies = _listed(uses, resource, "uses")

    def decorate(function: Function[T]) -> ReconcilerFunction[T]:
        return ReconcilerFunction(
            function,
            resource,
            name=name,
            sources=places,
            uses=dependencies,
            workers=workers,
            timeout_s=timeout_s,
            replicas=replicas,
            queue=queue,
        )

    return decorate


def _listed(given: Any, resource: AnyResource, name: str) -> tuple[Any, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(
            f"@reconciler({resource.kind}): {name} is {given!r:.80}; write a list, {name}=[{_shown(given)}]"
        )
    return tuple(given)


def _check_each(
    given: Iterable[object], fits: Callable[[Any], bool], what: str, meant: str | Callable[[Any], str]
) -> None:
    """TypeError for what is of another sort, with what is meant."""
    for each in given:
        if not fits(each):
            raise TypeError(f"{what} has {_shown(each)}; write {meant if isinstance(meant, str) else meant(each)}")


def _is_kind(given: object) -> bool:
    return isinstance(given, Resource)


def _is_schedule(given: object) -> bool:
    return isinstance(given, Every | Cron)


def _is_source(given: object) -> bool:
    return not isinstance(given, type) and (callable(given) or hasattr(given, "run"))


def _is_dependency(given: object) -> bool:
    return isinstance(given, Dependency)


def _shown(given: object) -> str:
    return given.__qualname__ if isinstance(given, type) else f"{given!r:.80}"


def _kind_meant(given: object) -> str:
    """The kind of a type, by the name that its module has for it."""
    home = vars(sys.modules.get(getattr(given, "__module__", ""), object))
    known = [key for key, value in home.items() if isinstance(value, Resource) and value.type is given]
    return f"{known[0]}, the kind" if known else "a kind, such as DEPLOYMENTS"


def _schedule_meant(given: object) -> str:
    if isinstance(given, str):
        return f'Cron("{given}")'
    return f"Every({given:g})" if isinstance(given, int | float) else 'Every(600) or Cron("30 3 * * *")'


async def _clean_up(function: Function[T], subject: _Subject[T]) -> Outcome:
    return await function(subject.object, subject.context)


def _name_of(when: Every | Cron) -> str:
    return f"every {when.seconds:g} s" if isinstance(when, Every) else f"cron {when.text}"


def _check(function: Callable[..., object], what: str) -> None:
    name = getattr(function, "__qualname__", repr(function))
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{what}: {name} is no async function; write `async def {name}(object, context)`")
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        raise TypeError(
            f"{what}: {name}{inspect.signature(function)} cannot be called with an object and a context; write "
            f"`async def {name}(object, context)`"
        ) from None
