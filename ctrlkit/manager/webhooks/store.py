"""Where certificates are stored: in a Secret that all replicas share, or in the memory of the only one."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeVar

from ctrlkit.cache import Informer, InformerFactory, InformerOptions
from ctrlkit.client import Client
from ctrlkit.manager.webhooks.bundles import Plain, Target
from ctrlkit.manager.webhooks.certificates import data_of
from ctrlkit.manager.webhooks.rotation import Authority, Vault
from ctrlkit.model import AnyResource, JsonPatch, ObjectKey, OnConflict, Unstructured, is_newer
from ctrlkit.model.kinds import SECRETS

Data = Mapping[str, bytes]
T = TypeVar("T")


class Store(Protocol):
    """Where a vault is kept."""

    def is_known(self) -> bool:
        """Whether what is stored was read."""
        ...

    def read(self) -> Data:
        """Return what is stored, as far as this replica has seen it; empty for nothing."""
        ...

    async def write(self, vault: Vault) -> None:
        """Store a vault in place of what `read` shows. Errors: Conflict where that is old; others of a client."""
        ...


class MemoryStore:
    """Keeps a vault as long as the process; for a program that is alone."""

    def __init__(self) -> None:
        self._data: Data = {}

    def is_known(self) -> bool:
        """Yes."""
        return True

    def read(self) -> Data:
        """See Store."""
        return self._data

    async def write(self, vault: Vault) -> None:
        """See Store."""
        self._data = data_of(vault)


class Seen:
    """
    One object: as the cache shows it, or as an own write left it, whichever is newer.

    Errors  of `apply` and the like: those of a client.
    """

    def __init__(self, factory: InformerFactory, resource: AnyResource, key: ObjectKey) -> None:
        self.resource = resource
        self.key = key
        options: InformerOptions[Any] = InformerOptions(
            namespaces=[key.namespace] if key.namespace else None, field_selector=f"metadata.name={key.name}"
        )
        self.informer: Informer[Any] = factory.informer(resource, options)
        self._written: Unstructured | None = None

    def now(self) -> Unstructured | None:
        """The object; None where there is none. What it holds must not be changed."""
        cached: Unstructured | None = self.informer.lister.find(self.key)
        written = self._written
        if written is None:
            return cached
        version = written.metadata.resource_version
        newest = max(self.informer.versions.values(), key=lambda one: (len(one), one), default="")
        if not is_newer(version, than=newest):
            self._written = None
            return cached
        return written if cached is None or is_newer(version, than=cached.metadata.resource_version) else cached

    def note(self, written: Unstructured) -> None:
        """Remember what a write left."""
        self._written = written


class SecretStore:
    """Keeps a vault in a Secret, whose other data it leaves alone."""

    def __init__(self, client: Client, factory: InformerFactory, key: ObjectKey) -> None:
        self._client = client
        self.seen: Seen = Seen(factory, SECRETS, key)

    def is_known(self) -> bool:
        """See Store."""
        return self.seen.informer.has_synced()

    def read(self) -> Data:
        """See Store."""
        found = self.seen.now()
        return {} if found is None else dict(_decoded(found))

    async def write(self, vault: Vault) -> None:
        """See Store."""
        data = {name: base64.b64encode(value).decode() for name, value in data_of(vault).items()}
        found, key = self.seen.now(), self.seen.key
        if found is None:
            metadata = {"name": key.name, "namespace": key.namespace}
            made: Plain = {"metadata": metadata, "type": "kubernetes.io/tls", "data": data}
            self.seen.note(await self._client.create(SECRETS, made))
        else:
            changed: Plain = {**found, "data": {**(found.get("data") or {}), **data}}
            self.seen.note(await self._client.update(SECRETS, changed))


def _decoded(secret: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    for name, text in (secret.get("data") or {}).items():
        try:
            yield name, base64.b64decode(text)
        except ValueError:
            yield name, b""


async def apply_bundles(
    client: Client, seen: Seen, target: Target, bundles: Mapping[str, tuple[Authority, ...]], *, manager: str
) -> None:
    """Give the caBundles of an object what they are to hold, if it is still as it was seen."""
    found = seen.now()
    version = "" if found is None else found.metadata.resource_version
    applying = Client(client.transport, field_manager=manager)
    body = target.body(version, bundles)
    seen.note(await applying.apply(target.resource, target.key, body, on_conflict=OnConflict.FORCE))


async def disown(client: Client, seen: Seen, operations: list[Plain], *, manager: str) -> None:
    """Take a field manager out of an object; see Target.disowning."""
    applying = Client(client.transport, field_manager=manager)
    seen.note(await applying.patch(seen.resource, seen.key, JsonPatch(operations)))
