"""Subresources of any kind: their own forms in and out, and the body of an eviction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Generic, TypeVar

from ctrlkit.client.actions import DryRun
from ctrlkit.client.bodies import patch_body
from ctrlkit.client.calls import Calls
from ctrlkit.model import Action, ApplyPatch, ObjectKey, OnConflict, Options, Patch, PatchType, Resource, Verb, to_plain
from ctrlkit.wire.parameters import delete_options

F = TypeVar("F")


class Subresource(Generic[F]):
    """
    One subresource of one object; `Client.subresource` makes it.

    Shape   Bodies are mappings, Structs or dataclasses in the subresource's own form, which the caller names in them
            where the server must know it. Answers are decoded to `form`.
    Errors  Those of the client's verbs; TypeError for a body that is no mapping.
    """

    def __init__(self, calls: Calls, action: Action, form: Resource[F], options: Options) -> None:
        self._calls = calls
        self._action = action
        self._form = form
        self._options = options

    async def get(self) -> F:
        """Read it."""
        return await self._answer(self._action)

    async def create(self, body: object, *, dry_run: DryRun = DryRun.NO) -> F:
        """
        Create (POST), which has something done: a token made, a pod bound or evicted.

            asked = {"spec": {"audiences": ["vault"], "expirationSeconds": 600}}
            token = await client.subresource(SERVICE_ACCOUNTS, "demo/bot", "token").create(asked)
        """
        return await self._written(Verb.CREATE, body, dry_run=dry_run)

    async def update(self, body: object, *, dry_run: DryRun = DryRun.NO) -> F:
        """Replace (PUT)."""
        return await self._written(Verb.UPDATE, body, dry_run=dry_run)

    async def patch(self, patch: Patch, *, dry_run: DryRun = DryRun.NO) -> F:
        """
        Change some fields.

            debugger = {"name": "debugger", "image": "busybox", "stdin": True}
            containers = client.subresource(PODS, "demo/web-0", "ephemeralcontainers")
            await containers.patch(StrategicMergePatch({"spec": {"ephemeralContainers": [debugger]}}))
        """
        patch_type, force = PatchType.APPLY, False
        if isinstance(patch, ApplyPatch):
            body: Any = _mapping(self._action, patch.fields)  # of another kind, perhaps, than the object
            force = patch.on_conflict is OnConflict.FORCE
        else:
            body, patch_type, force = patch_body(self._action.resource, self._action.key, patch)
        options = replace(self._options, dry_run=dry_run is DryRun.ALL, force=force)
        action = replace(self._action, verb=Verb.PATCH, body=body, patch_type=patch_type, options=options)
        return await self._answer(action)

    async def _written(self, verb: Verb, body: object, *, dry_run: DryRun) -> F:
        options = replace(self._options, dry_run=dry_run is DryRun.ALL)
        return await self._answer(replace(self._action, verb=verb, body=_mapping(self._action, body), options=options))

    async def _answer(self, action: Action) -> F:
        return self._calls.codec(self._form).decode_object(await self._calls.do(action))


def _mapping(action: Action, body: object) -> dict[str, Any]:
    plain = to_plain(body)
    if not isinstance(plain, dict):
        raise TypeError(f"{action.resource}/{action.subresource}: a body must be a mapping, got {type(body).__name__}")
    return plain


def eviction(key: ObjectKey, options: Options) -> dict[str, Any]:
    """
    Make the Eviction of a pod.

    >>> eviction(ObjectKey("demo", "a"), Options(grace_period_s=5))["deleteOptions"]
    {'gracePeriodSeconds': 5}
    """
    body: dict[str, Any] = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": key.name, "namespace": key.namespace},
    }
    given = delete_options(options)
    return body | {"deleteOptions": given} if given else body
