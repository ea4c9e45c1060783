"""
Installs the manifests that the demo needs on a server, and removes them again.

Namespaced objects go to a namespace of the demo's own. The password is random, because that of the manifest is public
and every user of this machine can reach its nodes. Existing objects are used as they are, and stay. The Deployment is
left out: the controller runs in this process.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from math import inf
from secrets import token_urlsafe
from typing import Any, Final

from ctrlkit.bitcoin.credentials import PASSWORD_KEY, USER_KEY
from ctrlkit.bitcoin.manifests import objects
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.errors import AlreadyExists, CtrlkitError, NotFound
from ctrlkit.model import AnyResource, ObjectKey, Unstructured
from ctrlkit.model.kinds import BUILT_IN

NAMESPACE: Final = "bitcoin-demo"
_STORAGE_CLASS: Final[dict[str, Any]] = {
    "kind": "StorageClass",
    "metadata": {"name": "bitcoin-demo", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "hostpath.csi.k8s.io",
    "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True,
}
"""The default class: its disks can grow, and any machine of the cluster can mount them, as those of clouds."""

_REMOVAL_LIMIT_S: Final = 60.0
_TELL_AFTER_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.2
_RESOURCES: Final[dict[str, AnyResource]] = {
    resource.kind: resource for resource in (*BUILT_IN, BITCOIN_NETWORKS.of(Unstructured))
}


class NotRemoved(CtrlkitError):
    """Something that the walk-through created is still on the server."""


class Installation:
    """
    The objects that one demo created on a server.

    Shape   With `has_own_disks` the cluster's machines are ours, and the claims are of a StorageClass of our own, whose
            volumes are reached from each of them, and which other claims have that name none; else they are of the
            cluster's default class.
    Errors  ApiError, TransportError from `install` and `create_network`; NotRemoved from `remove`.
    """

    def __init__(self, client: Client, *, has_own_disks: bool = False) -> None:
        self._client = client
        self._has_own_disks = has_own_disks
        self._created: list[tuple[AnyResource, ObjectKey]] = []
        self._sample: dict[str, Any] = _in_namespace(objects("network")[0])
        self.network: ObjectKey = ObjectKey(NAMESPACE, self._sample["metadata"]["name"])
        self.secret: str = objects("secret")[0]["metadata"]["name"]

    async def install(self) -> str:
        """Create definition, roles and Secret; returns a text that says what was created and what existed."""
        wanted = [*objects("crd"), {"kind": "Namespace", "metadata": {"name": NAMESPACE}}]
        wanted += [_STORAGE_CLASS] if self._has_own_disks else []
        wanted += [*objects("rbac"), *(_with_own_password(_in_namespace(secret)) for secret in objects("secret"))]
        made = Counter[str]()
        for item in wanted:
            made[item["kind"]] += await self._create(item)
        parts = [f"{count} {kind}s" if count > 1 else kind for kind, count in made.items() if count]
        there = ", ".join(kind for kind, count in made.items() if not count)
        text = f"{', '.join(parts) or 'nothing'} created" + (f"; there before: {there}" if there else "")
        return f"{text}; namespace {NAMESPACE}"

    async def create_network(self, *, nodes: int, image: str) -> None:
        """Create the sample network with so many nodes, whose claims go with them."""
        storage = {"size": "1Gi", "whenDeleted": "Delete", "whenScaled": "Delete"}
        if self._has_own_disks:
            storage["className"] = _STORAGE_CLASS["metadata"]["name"]
        spec = {**self._sample["spec"], "nodes": nodes, "image": image, "secret": self.secret, "storage": storage}
        await self._client.create(BITCOIN_NETWORKS.of(Unstructured), {**self._sample, "spec": spec})
        self._created.append((BITCOIN_NETWORKS, self.network))

    async def create_second_secret(self) -> tuple[str, Credentials]:
        """Create a Secret with another user and password; returns its name and what it holds."""
        name, made = f"{self.secret}-2", Credentials(user="another-user", password=token_urlsafe(24))
        data = {USER_KEY: made.user, PASSWORD_KEY: made.password}
        encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
        metadata = {"name": name, "namespace": NAMESPACE}
        await self._create({"kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded})
        return name, made

    async def remove(self, *, on_delay: Callable[[str], None]) -> None:
        """Delete the created objects, newest first, and wait until they are gone; `on_delay` is told of delays."""
        made, self._created = list(reversed(self._created)), []
        left = ""
        try:
            async with asyncio.timeout(_REMOVAL_LIMIT_S):
                for resource, key in made:
                    with suppress(NotFound):
                        await self._client.delete(resource, key)
                for resource, key in made:
                    left = f"{resource.kind} {key}"
                    await self._until_gone(resource, key, on_delay=on_delay)
        except TimeoutError:
            raise NotRemoved(
                f"remove what the walk-through made: {left or 'it'} was not gone after {_REMOVAL_LIMIT_S:g} s; look at "
                f"namespace {NAMESPACE}, and whether the server has a garbage collector (--with-kubelet brings one)"
            ) from None

    async def _create(self, item: dict[str, Any]) -> bool:
        resource = _RESOURCES[item["kind"]]
        metadata = item["metadata"]
        try:
            await self._client.create(resource, item)
        except AlreadyExists:
            return False
        self._created.append((resource, ObjectKey(metadata.get("namespace", ""), metadata["name"])))
        return True

    async def _until_gone(self, resource: AnyResource, key: ObjectKey, *, on_delay: Callable[[str], None]) -> None:
        tell_at = monotonic() + _TELL_AFTER_S
        with suppress(NotFound):
            while True:
                await self._client.get(resource, key)
                if monotonic() >= tell_at:
                    on_delay(f"waiting until {resource.kind} {key} is gone; all in all {_REMOVAL_LIMIT_S:g} s at most")
                    tell_at = inf
                await asyncio.sleep(_LOOK_AGAIN_S)


def _in_namespace(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], "namespace": NAMESPACE}}


def _with_own_password(secret: dict[str, Any]) -> dict[str, Any]:
    password = b64encode(token_urlsafe(24).encode()).decode()
    return {**secret, "data": {**secret["data"], PASSWORD_KEY: password}}
