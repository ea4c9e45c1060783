"""
Informers of all kinds: the built-in ones, and those that CustomResourceDefinitions add while the cluster runs.

A kind whose definition is deleted is still watched, without success, until the cluster ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from ctrlkit.cache import Change, Informer
from ctrlkit.controller import DONE, Controller, Mapper, Outcome, Request, Source, Watch, to_self
from ctrlkit.fakes.cluster.loops.first_objects import FirstObjects
from ctrlkit.fakes.releases import NEWEST, release
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import Manager
from ctrlkit.model import (
    AnyResource,
    ObjectKey,
    ObjectMeta,
    OwnerReference,
    PartialObjectMetadata,
    Resource,
    Scope,
    Unstructured,
    custom_resource,
)
from ctrlkit.model.kinds import BUILT_IN, CUSTOM_RESOURCE_DEFINITIONS, EVENTS

AnyInformer = Informer[Any]

_LOOK_AGAIN_S = 1.0


class _Names(msgspec.Struct, frozen=True, rename="camel"):
    plural: str = ""
    kind: str = ""
    list_kind: str = ""


class _Version(msgspec.Struct, frozen=True):
    name: str
    served: bool = False
    storage: bool = False


class _Spec(msgspec.Struct, frozen=True):
    group: str
    scope: str
    names: _Names
    versions: tuple[_Version, ...]


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    accepted_names: _Names | None = None
    conditions: tuple[_Condition, ...] | None = None


class _Definition(msgspec.Struct, frozen=True):
    """A CustomResourceDefinition without its schemas, which are most of it."""

    metadata: ObjectMeta
    spec: _Spec
    status: _Status | None = None

    @property
    def served(self) -> tuple[_Version, ...]:
        """The versions at which the kind is served, once it is."""
        return tuple(version for version in self.spec.versions if version.served)

    def is_served(self) -> bool:
        """Whether at least one version is served."""
        conditions = (self.status.conditions if self.status else None) or ()
        return bool(self.served) and any((one.type, one.status) == ("Established", "True") for one in conditions)

    def resource(self) -> Resource[PartialObjectMetadata]:
        """The kind, at the version that is stored if that is served."""
        version = next((version for version in self.served if version.storage), self.served[0])
        names = (self.status.accepted_names if self.status else None) or self.spec.names
        return custom_resource(
            group=self.spec.group,
            version=version.name,
            kind=names.kind,
            plural=names.plural,
            scope=Scope(self.spec.scope),
            list_kind=names.list_kind,
        ).metadata_only()


_DEFINITIONS = CUSTOM_RESOURCE_DEFINITIONS.of(_Definition)


class WatchedKinds:
    """
    The informers of all kinds except Events, which have no owners. `more` are custom kinds known from the start,
    `server` is the release whose built-in kinds there are. With the `tracker` of the server, a kind is watched once it
    has objects: most kinds of a small cluster never have one.

    Informers of custom kinds cache metadata only. A controller gets watches of `informers`, and follows those that are
    added later with `on_informer`.
    """

    def __init__(
        self,
        manager: Manager,
        *,
        more: Sequence[Resource[Unstructured]] = (),
        server: str = NEWEST,
        tracker: Tracker | None = None,
    ) -> None:
        self._manager = manager
        self._definitions = manager.informer(_DEFINITIONS)
        self._informers: dict[tuple[str, str], AnyInformer] = {}
        self._by_kind: dict[tuple[str, str], AnyInformer] = {}
        self._followers: list[Callable[[AnyInformer], None]] = []
        served = {(one.group, one.version, one.plural) for one in release(server).kinds}
        built_in = [one for one in BUILT_IN if (one.group, one.version, one.plural) in served]
        given: list[Resource[Any]] = [*built_in, *(kind.metadata_only() for kind in more)]
        self._given = {resource.identity: resource for resource in given if resource != EVENTS}
        self._given[_DEFINITIONS.identity] = _DEFINITIONS
        self._given_kinds = {(one.api_version, one.kind): one for one in given}
        for group, version, plural in served:
            other = self._given.get((group, plural))
            if other is not None:
                self._given_kinds[(f"{group}/{version}" if group else version, other.kind)] = other
        self._begun: dict[tuple[str, str], None] = {}
        watches: list[Source] = [Watch(self._definitions, to_self)]
        if tracker is None:
            self._begun.update(dict.fromkeys(self._given))
        else:
            tracker.on_first_object(self._begin)
            watches.append(FirstObjects(tracker, self._given))
        self._add_begun()
        manager.add(Controller(name="kinds", reconcile=self.reconcile, watches=watches))

    @property
    def informers(self) -> tuple[AnyInformer, ...]:
        """The informers so far."""
        return tuple(self._informers.values())

    @property
    def resources(self) -> tuple[AnyResource, ...]:
        """The kinds that may have objects: those of the informers, and those that get one in a moment."""
        begun = (self._given[identity] for identity in self._begun if identity not in self._informers)
        return (*(informer.resource for informer in self.informers), *begun)

    @property
    def served(self) -> Iterator[AnyResource]:
        """Yield the kinds that are served, whether they have objects or not."""
        yield from self._given.values()
        yield from (one.resource for one in self.informers if one.resource.identity not in self._given)

    def on_informer(self, follower: Callable[[AnyInformer], None]) -> None:
        """Call a function with each informer, now and when one is added."""
        for informer in self.informers:
            follower(informer)
        self._followers.append(follower)

    def resource_of(self, owner: OwnerReference) -> Resource[Any] | None:
        """Find the kind of an owner reference; None if there is no such kind, or it is not served in that version."""
        given = self._given_kinds.get((owner.api_version, owner.kind))
        informer = None if given is not None else self.informer_of(owner)
        if informer is None or not self._is_served_as(owner.api_version, informer.resource):
            return given
        return informer.resource

    def informer_of(self, owner: OwnerReference) -> AnyInformer | None:
        """Find the informer of the kind of an owner reference, ignoring the version; None if there is none yet."""
        return self._by_kind.get((owner.group, owner.kind))

    async def wait_synced(self) -> None:
        """Wait until every kind that is defined now, or has objects, has a synced informer."""
        self._add_begun()
        for definition in self._definitions.lister.list():
            self._add_defined(definition)
        for informer in self.informers:
            await self._wait_synced(informer)

    async def reconcile(self, request: Request) -> Outcome:
        """Add the kinds that have objects by now, and that of a CustomResourceDefinition once it is served."""
        self._add_begun()
        definition = self._definitions.lister.find(request.key)
        if definition is not None:
            self._add_defined(definition)
        return DONE

    async def _wait_synced(self, informer: AnyInformer) -> None:
        """Wait for an informer while its kind is served."""
        while not informer.has_synced() and self._exists(informer.resource):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await informer.wait_synced()

    def _is_served_as(self, api_version: str, resource: AnyResource) -> bool:
        """Whether a custom kind is served in a version: in any that its definition says, if it has one."""
        definition = self._definitions.lister.find(ObjectKey("", str(resource)))
        if definition is None:
            return api_version == resource.api_version
        return api_version in {f"{resource.group}/{version.name}" for version in definition.served}

    def _exists(self, resource: AnyResource) -> bool:
        definition = self._definitions.lister.find(ObjectKey("", str(resource)))
        return resource.identity in self._given or (definition is not None and definition.is_served())

    def _begin(self, identity: tuple[str, str]) -> None:
        """Take note of a kind's first object, in the middle of the write that makes it."""
        if identity in self._given:
            self._begun[identity] = None

    def _add_begun(self) -> None:
        for identity in self._begun:
            self._add(self._given[identity])

    def _add_defined(self, definition: _Definition) -> None:
        if definition.is_served():
            self._add(definition.resource())

    def _add(self, resource: Resource[Any]) -> None:
        if resource.identity not in self._informers:
            informer = self._informers[resource.identity] = self._manager.informer(resource)
            self._by_kind.setdefault((resource.group, resource.kind), informer)
            for follower in self._followers:
                follower(informer)


def wake_on_change(
    informer: AnyInformer,
    mapper: Mapper[Any],
    controller: Controller,
    *,
    predicate: Callable[[Change[Any]], bool] = lambda _change: True,
) -> None:
    """Add a watch to a controller that may be running already."""

    def on_change(change: Change[Any]) -> None:
        if not predicate(change):
            return
        for record in (change.old, change.new):
            for key in mapper(record) if record is not None else ():
                controller.wake(ObjectKey.of(key))

    informer.add_handler(on_change, name=f"{controller.name}:{informer.name}")


def is_gone(change: Change[Any]) -> bool:
    """Whether one object less is there."""
    return change.new is None


def namespaced(resources: Iterable[AnyResource]) -> list[AnyResource]:
    """Select the namespaced kinds."""
    return [resource for resource in resources if resource.namespaced]
