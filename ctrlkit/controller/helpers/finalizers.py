"""
Finalizers: cleanups that a deletion waits for.

In       Objects as a lister or the client shows them.
Out      Patches of `metadata.finalizers` that name the version they were made for, so nobody else's entry is lost.

Row H13.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from ctrlkit.client import Client
from ctrlkit.client.retries import retry_on_conflict
from ctrlkit.controller.reconcile import DONE, Done, Outcome, RequeueAfter
from ctrlkit.errors import NotFound
from ctrlkit.model import AnyResource, MergePatch, ObjectMeta


class HasMetadata(Protocol):
    """An object of a Kubernetes kind, of any Python type."""

    @property
    def metadata(self) -> ObjectMeta:
        """Its metadata."""
        ...


T = TypeVar("T", bound=HasMetadata)
Cleanup = Callable[[T], Awaitable[Outcome]]
"""
Undoes what an object stood for outside of the cluster.

It answers DONE when nothing is left, RequeueAfter when that takes its time; what it raises is tried again like any
failure of a reconcile. It may be called again after it was done.
"""


def add_finalizer(body: dict[str, Any], name: str) -> bool:
    """
    Add a finalizer to a plain object, behind those it has; return whether that changed it.

    >>> body = {"metadata": {"name": "a"}}
    >>> add_finalizer(body, "demo.dev/disk"), add_finalizer(body, "demo.dev/disk"), body["metadata"]["finalizers"]
    (True, False, ['demo.dev/disk'])
    """
    metadata = body.setdefault("metadata", {})
    have = metadata.get("finalizers") or []
    if name in have:
        return False
    metadata["finalizers"] = [*have, name]
    return True


def remove_finalizer(body: dict[str, Any], name: str) -> bool:
    """
    Remove a finalizer from a plain object; return whether that changed it.

    >>> body = {"metadata": {"name": "a", "finalizers": ["demo.dev/disk"]}}
    >>> remove_finalizer(body, "demo.dev/disk"), remove_finalizer(body, "demo.dev/disk"), body["metadata"]["finalizers"]
    (True, False, [])
    """
    have = (body.get("metadata") or {}).get("finalizers") or []
    if name not in have:
        return False
    body["metadata"]["finalizers"] = [each for each in have if each != name]
    return True


async def put_finalizers(client: Client, resource: AnyResource, meta: ObjectMeta, *names: str) -> ObjectMeta | None:
    """
    See that an object on the server has these finalizers; its metadata afterwards. No call where it has them.

    None where this very object is gone, or being deleted: servers take no new finalizers then.

    Errors  Conflict where others change it all the time.
    """

    def with_names(now: ObjectMeta) -> tuple[str, ...]:
        have = now.finalizers or ()
        return have if now.deleting else (*have, *(name for name in names if name not in have))

    after = await _write(client, resource, meta, with_names)
    return None if after is None or after.deleting else after


async def take_finalizer(client: Client, resource: AnyResource, meta: ObjectMeta, name: str) -> ObjectMeta | None:
    """
    See that an object on the server is without a finalizer; its metadata afterwards, None where it is gone.

    Errors  Conflict where others change it all the time.
    """
    return await _write(
        client, resource, meta, lambda now: tuple(each for each in now.finalizers or () if each != name)
    )


async def _write(
    client: Client, resource: AnyResource, meta: ObjectMeta, wanted: Callable[[ObjectMeta], tuple[str, ...]]
) -> ObjectMeta | None:
    """Patch under the version that was read; what another changed meanwhile is read again."""
    thing = resource.metadata_only()
    known = meta if meta.resource_version else None

    async def attempt() -> ObjectMeta | None:
        nonlocal known
        now = known or (await client.get(thing, meta.key)).metadata
        known = None
        if meta.uid and now.uid != meta.uid:
            return None  # another one of its name
        want = wanted(now)
        if want == (now.finalizers or ()):
            return now
        fields = {"finalizers": list(want), "resourceVersion": now.resource_version}
        return (await client.patch(thing, meta.key, MergePatch({"metadata": fields}))).metadata

    try:
        return await retry_on_conflict(attempt)
    except NotFound:
        return None


class Finalizers(Generic[T]):
    """
    Runs cleanups when objects of one kind are deleted, each behind a finalizer of its own.

        finalizers = Finalizers(client, NETWORKS)
        finalizers.register("demo.dev/volumes", delete_volumes)

        async def reconcile(request: Request) -> Outcome:
            network = networks.lister.find(request.key)
            if network is None:
                return DONE
            ending = await finalizers.handle(network)
            if ending is not None:
                return ending
            ...

    Errors  ValueError for a name that is registered twice.
    """

    def __init__(self, client: Client, resource: AnyResource) -> None:
        self._client = client
        self._resource = resource
        self._cleanups: dict[str, Cleanup[T]] = {}

    def register(self, name: str, cleanup: Cleanup[T]) -> None:
        """Add a cleanup that deletions wait for; cleanups run in the order in which they are registered."""
        if name in self._cleanups:
            raise ValueError(f"register a finalizer of {self._resource}: there is a {name} already; use another name")
        self._cleanups[name] = cleanup

    async def handle(self, thing: T) -> Outcome | None:
        """
        Return None for an object that is not being deleted, once every finalizer is in place; else run the cleanups
        that are still to be done, and return what the reconcile is to return.

        A cleanup begins when those before it are done. Each one's finalizer is taken away as soon as it is done, so
        it is not called again but for a failure in between. Objects that go without one of these finalizers are not
        looked at.

        Errors  What a cleanup raises, and the client's; TypeError for a cleanup that answers no Outcome.
        """
        meta = thing.metadata
        if not meta.deleting:
            if set(self._cleanups) <= set(meta.finalizers or ()):
                return None
            after = await put_finalizers(self._client, self._resource, meta, *self._cleanups)
            return None if after is not None else DONE  # it went before anything was made for it
        for name, cleanup in self._cleanups.items():
            if name not in (meta.finalizers or ()):
                continue
            match await cleanup(thing):
                case Done():
                    left = await take_finalizer(self._client, self._resource, meta, name)
                case RequeueAfter() as not_yet:
                    return not_yet
                case other:
                    raise TypeError(
                        f"finalize {self._resource} {meta.key}: the cleanup of {name} returned an object of type "
                        f"{type(other).__name__}; return DONE or RequeueAfter(seconds)"
                    )
            if left is None:
                return DONE
            meta = left
        return DONE
