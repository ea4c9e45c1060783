"""The state that the server's verbs share, and the one place where they write to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.services import ServiceIps
from ctrlkit.fakes.tracker.kinds.definitions import definitions
from ctrlkit.fakes.tracker.kinds.registry import Registry, Served
from ctrlkit.fakes.tracker.refusals import not_found, unknown_resource
from ctrlkit.fakes.tracker.store import Store, Stored, encode_tail
from ctrlkit.model import AnyResource, ObjectKey, kinds


class Core:
    """
    The synchronous server: what is stored, and which kinds are served.

    Owner   `ctrlkit.fakes.tracker.Tracker`; the modules of this package are its verbs.
    """

    def __init__(self, *, begins_at: int) -> None:
        self.store = Store(begins_at=begins_at)
        self.registry = Registry()
        self.service_ips = ServiceIps()

    def served(self, resource: AnyResource) -> Served:
        """The kind as it is served; NotFound where it is not."""
        served = self.registry.find(resource.group, resource.version, resource.plural)
        if served is None:
            raise unknown_resource()
        return served

    def find(self, served: Served, key: ObjectKey) -> Stored | None:
        """An object as it is now."""
        return self.store.collection(served.resource.identity).find(key)

    def get(self, served: Served, key: ObjectKey) -> Stored:
        """An object as it is now; NotFound where there is none."""
        stored = self.find(served, key)
        if stored is None:
            raise not_found(served.resource, key.name)
        return stored

    def namespace(self, name: str) -> Stored | None:
        """A namespace's object."""
        return self.store.collection(kinds.NAMESPACES.identity).find(ObjectKey("", name))

    def write(
        self,
        served: Served,
        key: ObjectKey,
        plain: Mapping[str, Any],
        *,
        dry_run: bool = False,
    ) -> Stored:
        """Keep an object's new state; in a dry run only say what it would be."""
        if dry_run:
            current = self.find(served, key)
            return Stored(key, current.version if current else 0, encode_tail(plain))
        is_definition = served.resource.identity == kinds.CUSTOM_RESOURCE_DEFINITIONS.identity
        defined = definitions.kinds_of(self.registry, plain) if is_definition else ()
        before = self.find(served, key)
        stored = self.store.write(served.resource.identity, key, plain)
        if served.resource.identity == kinds.SERVICES.identity:
            if before is not None:
                self.service_ips.release(before.plain)
            self.service_ips.take(stored.plain)
        if is_definition:
            definitions.serve(self.store, self.registry, definitions.identity_of(plain), defined)
        return stored

    def remove(self, served: Served, key: ObjectKey, *, dry_run: bool = False) -> None:
        """Remove an object, which must be there."""
        if dry_run:
            return
        gone = self.store.remove(served.resource.identity, key)
        if served.resource.identity == kinds.SERVICES.identity:
            self.service_ips.release(gone.plain)
        if served.resource.identity == kinds.CUSTOM_RESOURCE_DEFINITIONS.identity:
            definitions.stop_serving(self.store, self.registry, gone.plain)
            self._give_names(served, gone.plain)
        elif served.custom and not self.store.collection(served.resource.identity):
            self.release_definition(str(served.resource))

    def _give_names(self, served: Served, gone: Mapping[str, Any]) -> None:
        """Let definitions have the names that another one held, now that it is gone."""
        for other in definitions.others_of(self.store, gone):
            completed = definitions.complete(other, definitions.others_of(self.store, other))
            if completed != other:
                self.write(served, ObjectKey("", other["metadata"]["name"]), completed)

    def release_definition(self, name: str) -> None:
        """Let a definition go whose objects are gone, if it is being deleted; its other finalizers still hold it."""
        crds = self.served(kinds.CUSTOM_RESOURCE_DEFINITIONS)
        definition = self.find(crds, ObjectKey("", name))
        if definition is None or definitions.CLEANUP_FINALIZER not in definition.metadata.get("finalizers", ()):
            return
        others = [one for one in definition.metadata["finalizers"] if one != definitions.CLEANUP_FINALIZER]
        if others:
            metadata = definition.metadata | {"finalizers": others}
            self.write(crds, definition.key, definition.plain | {"metadata": metadata})
        else:
            self.remove(crds, definition.key)
