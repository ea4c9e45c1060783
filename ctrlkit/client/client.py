"""The verbs of the Kubernetes API, typed by the Resource they are asked of."""

from __future__ import annotations

import builtins
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar, overload

from ctrlkit.client.actions import DryRun, Propagation, collection, named, patching, whole
from ctrlkit.client.bodies import replacement, whole_object
from ctrlkit.client.calls import Calls
from ctrlkit.client.list_watch import PAGE_SIZE, ClientListWatch, list_all
from ctrlkit.client.pods import PodVerbs
from ctrlkit.client.scale import Scale, read_scale
from ctrlkit.client.subresource import Subresource
from ctrlkit.model import (
    AnyResource,
    ApplyPatch,
    FieldSelector,
    LabelSelector,
    ObjectKey,
    OnConflict,
    Options,
    Patch,
    PatchType,
    Resource,
    Transport,
    Unstructured,
    Verb,
    WatchEvent,
)
from ctrlkit.names import program_name

T = TypeVar("T")
F = TypeVar("F")


class Client(PodVerbs):
    """
    The verbs of the API over one Transport: HTTP to a server, or a fake.

    >>> class Echo:
    ...     async def do(self, action):
    ...         return b'{"kind": "Pod", "metadata": {"name": "%s", "resourceVersion": "7"}}' % action.name.encode()
    >>> from ctrlkit.model.kinds import PODS
    >>> import asyncio
    >>> asyncio.run(Client(Echo()).get(PODS, "demo/a")).metadata.resource_version
    '7'

    Shape   Keys are `ObjectKey` or text: "namespace/name", or "name" for a cluster-scoped kind. Answers are decoded to
            the resource's Python type. Selectors are text, or the selector types of ctrlkit.model turned into it.
            `namespace=""` of a list or watch means all namespaces. `field_manager` is the name in which fields are
            written and applied, the program's own unless given: programs of one name overwrite each other's fields.
    Errors  Every verb raises ApiError where the server refuses, TransportError where no answer came (a write may then
            have been carried out), DecodeError where what came is not what was asked for, such as a gateway's page
            (a write may have been carried out then too), or does not fit the type (a write was carried out);
            BadRequest, without asking the server, for names it could not understand. ValueError for a key that is
            neither an ObjectKey nor text.

    There is no throttle on this side: the server's priority and fairness say when to wait.
    """

    def __init__(self, transport: Transport, *, field_manager: str = "") -> None:
        self._transport = transport
        self._calls = Calls(transport)
        self.field_manager: str = field_manager or program_name()
        self._options: dict[tuple[str, bool], Options] = {}

    @property
    def transport(self) -> Transport:
        """What carries the calls to the server; a RestTransport counts them in its `statistics()`."""
        return self._transport

    # ---- reading ----------------------------------------------------------------------------------------------------

    async def get(self, resource: Resource[T], key: ObjectKey | str, *, subresource: str = "") -> T:
        """
        Read one object; NotFound if there is none.

            pod = await client.get(PODS, "demo/web-0")
        """
        action = named(Verb.GET, resource, key, subresource=subresource)
        return await self._calls.do_for_object(resource, action)

    async def get_metadata(self, resource: AnyResource, key: ObjectKey | str) -> Unstructured:
        """
        The metadata of an object as plain data, with the owners of its fields; NotFound if there is none.

            owners = (await client.get_metadata(PODS, "demo/web-0"))["metadata"]["managedFields"]
        """
        answer = await self._calls.do(named(Verb.GET, resource.metadata_only(), key))
        return self._calls.codec(resource.of(Unstructured)).decode_object(answer)

    async def list(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        label_selector: LabelSelector | str = "",
        field_selector: FieldSelector | str = "",
        page_size: int = PAGE_SIZE,
    ) -> builtins.list[T]:
        """
        List all objects, in pages; the newest state, not a cached one.

            for pod in await client.list(PODS, namespace="demo", label_selector="app=web"):
                print(pod.key)
        """
        scope = collection(Verb.LIST, resource, namespace, label_selector, field_selector)
        action = replace(scope, options=replace(scope.options, limit=page_size))
        snapshot = (await list_all(self._calls, resource, action)).snapshot
        for error in snapshot.unreadable:
            raise error
        return [record.value for record in snapshot.records]

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        label_selector: LabelSelector | str = "",
        field_selector: FieldSelector | str = "",
        resource_version: str = "",
        timeout_s: int = 0,
    ) -> AsyncIterator[AsyncIterator[WatchEvent[T]]]:
        """
        Watch the changes after a version, one at a time, until the server ends the stream; "" starts with what exists.

            async with client.watch(PODS, namespace="demo") as events:
                async for event in events:
                    match event:
                        case Applied(record): print("there:", record.key)
                        case Deleted(record): print("gone:", record.key)

        This is the bare stream: it ends when the server likes. Controllers use an informer, which never does.
        """
        scope = collection(Verb.WATCH, resource, namespace, label_selector, field_selector)
        options = replace(
            scope.options, resource_version=resource_version, timeout_s=timeout_s, allow_watch_bookmarks=True
        )
        action, codec = replace(scope, options=options), self._calls.codec(resource)
        async with self._calls.watch(action, codec) as batches, aclosing(_one_by_one(batches)) as events:
            yield events

    def list_watch(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        label_selector: LabelSelector | str = "",
        field_selector: FieldSelector | str = "",
    ) -> ClientListWatch[T]:
        """Return the ListWatch of a collection, from which an informer reads."""
        scope = collection(Verb.LIST, resource, namespace, label_selector, field_selector)
        return ClientListWatch(self._calls, resource, scope)

    # ---- writing ----------------------------------------------------------------------------------------------------

    async def create(
        self, resource: Resource[T], body: object, *, namespace: str | None = None, dry_run: DryRun = DryRun.NO
    ) -> T:
        """
        Create an object; AlreadyExists if there is one of that name. The namespace is the body's where none is given.

            await client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "demo"}, "data": {"k": "v"}})

        The body may be a mapping, a Struct, a dataclass or a model of the kubernetes package; `apiVersion` and `kind`
        are filled in. Errors besides the client's: TypeError, ValueError for a body of another kind.
        """
        action = whole(Verb.CREATE, resource, whole_object(resource, body), self._write_options(dry_run))
        del body  # it may hold a secret, and a traceback show the values of variables
        if namespace is not None:
            action = replace(action, namespace=namespace)
        return await self._calls.do_for_object(resource, action)

    async def update(
        self, resource: Resource[T], body: object, *, subresource: str = "", dry_run: DryRun = DryRun.NO
    ) -> T:
        """
        Replace an object (PUT); Conflict if it has changed since the body was read.

            pod = await client.get(PODS, "demo/web-0")
            pod["metadata"]["labels"]["seen"] = "yes"
            await client.update(PODS, pod)

        Errors besides the client's: TypeError for Structs and dataclasses, which hold part of the object only.
        """
        options = self._write_options(dry_run)
        action = whole(Verb.UPDATE, resource, replacement(resource, body), options, subresource=subresource)
        del body  # as in create
        return await self._calls.do_for_object(resource, action)

    async def update_status(self, resource: Resource[T], body: object) -> T:
        """
        Replace the status of an object; the server takes nothing else from the body.

            await client.update_status(NETWORKS, {**network, "status": {"readyNodes": 3}})
        """
        updating = self.update(resource, body, subresource="status")
        del body  # as in create
        return await updating

    async def patch(
        self,
        resource: Resource[T],
        key: ObjectKey | str,
        patch: Patch,
        *,
        subresource: str = "",
        dry_run: DryRun = DryRun.NO,
    ) -> T:
        """
        Change some fields of an object.

            await client.patch(NETWORKS, "demo/net", MergePatch({"status": {"readyNodes": 3}}), subresource="status")

        Custom resources take JsonPatch, MergePatch and ApplyPatch; built-in kinds StrategicMergePatch as well.
        """
        action = patching(resource, key, patch, self._write_options(dry_run), subresource=subresource)
        return await self._calls.do_for_object(resource, action)

    async def apply(
        self,
        resource: Resource[T],
        key: ObjectKey | str,
        fields: object,
        *,
        on_conflict: OnConflict = OnConflict.FAIL,
        subresource: str = "",
        dry_run: DryRun = DryRun.NO,
    ) -> T:
        """
        Apply these fields (server-side apply) as this client's field manager; the object is created if it is missing.

            await client.apply(CONFIG_MAPS, "demo/a", {"data": {"k": "v"}}, on_conflict=OnConflict.FORCE)

        Errors besides the client's: Conflict for fields of another manager, unless forced; ValueError for a body that
        carries managedFields.
        """
        patch = ApplyPatch(fields, on_conflict)
        del fields  # as in create
        return await self.patch(resource, key, patch, subresource=subresource, dry_run=dry_run)

    async def delete(
        self,
        resource: AnyResource,
        key: ObjectKey | str,
        *,
        propagation: Propagation | None = None,
        grace_period_s: int | None = None,
        uid: str = "",
        version: str = "",
    ) -> None:
        """
        Delete an object; NotFound if there is none, Conflict if it does not have this uid or version.

            await client.delete(PODS, "demo/web-0", uid=pod.metadata.uid, propagation=Propagation.FOREGROUND)

        The object stays, marked, while finalizers or its grace period (seconds) keep it.
        """
        options = Options(
            propagation_policy=propagation.value if propagation else "",
            grace_period_s=grace_period_s,
            precondition_uid=uid,
            precondition_version=version,
        )
        await self._calls.do(replace(named(Verb.DELETE, resource, key), options=options))

    async def delete_collection(
        self,
        resource: AnyResource,
        *,
        namespace: str = "",
        label_selector: LabelSelector | str = "",
        field_selector: FieldSelector | str = "",
        propagation: Propagation | None = None,
    ) -> None:
        """
        Delete all selected objects; of a namespaced kind, in one namespace.

            await client.delete_collection(PODS, namespace="demo", label_selector="app=web")
        """
        scope = collection(Verb.DELETE_COLLECTION, resource, namespace, label_selector, field_selector)
        policy = propagation.value if propagation else ""
        await self._calls.do(replace(scope, options=replace(scope.options, propagation_policy=policy)))

    # ---- scale ------------------------------------------------------------------------------------------------------

    async def get_scale(self, resource: AnyResource, key: ObjectKey | str) -> Scale:
        """
        Read the scale subresource of an object.

            scale = await client.get_scale(STATEFULSETS, "demo/web")
        """
        action = named(Verb.GET, resource, key, subresource="scale")
        return read_scale(action, await self._calls.do(action))

    async def set_scale(self, resource: AnyResource, key: ObjectKey | str, replicas: int) -> Scale:
        """
        Set `spec.replicas` through the scale subresource; the rest of the object is not touched.

            await client.set_scale(STATEFULSETS, "demo/web", 5)
        """
        action = replace(
            named(Verb.PATCH, resource, key, subresource="scale"),
            body={"spec": {"replicas": replicas}},
            patch_type=PatchType.MERGE,
            options=self._write_options(DryRun.NO),
        )
        return read_scale(action, await self._calls.do(action))

    # ---- other subresources -----------------------------------------------------------------------------------------

    @overload
    def subresource(self, resource: AnyResource, key: ObjectKey | str, name: str) -> Subresource[Unstructured]: ...

    @overload
    def subresource(
        self, resource: AnyResource, key: ObjectKey | str, name: str, *, form: type[F]
    ) -> Subresource[F]: ...

    def subresource(
        self, resource: AnyResource, key: ObjectKey | str, name: str, *, form: type[Any] = Unstructured
    ) -> Subresource[Any]:
        """
        Return a subresource of an object, to get, create, update or patch it; answers are decoded to `form`.

            token = await client.subresource(SERVICE_ACCOUNTS, "demo/bot", "token").create({})
            print(token.at("status.expirationTimestamp"))
        """
        action = named(Verb.GET, resource, key, subresource=name)
        action = replace(action, options=Options())
        return Subresource(self._calls, action, resource.of(form), self._write_options(DryRun.NO))

    # ---- how --------------------------------------------------------------------------------------------------------

    def _write_options(self, dry_run: DryRun) -> Options:
        said = (self.field_manager, dry_run is DryRun.ALL)
        options = self._options.get(said)
        if options is None:
            options = self._options[said] = Options(field_manager=said[0], dry_run=said[1])
        return options


async def _one_by_one(batches: AsyncIterator[Sequence[WatchEvent[T]]]) -> AsyncGenerator[WatchEvent[T], None]:
    async for batch in batches:
        for event in batch:
            yield event
