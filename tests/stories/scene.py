"""The scene of a story: a namespace of its own in some world, and images whose programs end as their names say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from ctrlkit.client import Client
from ctrlkit.errors import CtrlkitError, NotFound
from ctrlkit.fakes.cluster.node.images import Image, Images, Pull
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import ProbeAction, ProbeResult
from ctrlkit.model import AnyResource, MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import EVENTS, PODS

PATIENCE_S = 120.0
_SUFFIX = re.compile(r"(?<=-)[bcdfghjklmnpqrstvwxz2456789]{5}\b(?!-)")
"""The random end of a generated name."""


class Stage(Protocol):
    """What World and LiveWorld have in common."""

    client: Client

    @property
    def namespace(self) -> str:
        """The namespace of the story."""
        ...

    async def until(
        self, predicate: Callable[[], object | Awaitable[object]], *, within: float | str = PATIENCE_S
    ) -> Any:
        """Wait until a predicate holds."""
        ...


Story = Callable[["Scene"], Awaitable[None]]


async def at_once() -> None:
    """Wait for nothing."""


class Scene:
    """A stage, and short words for what stories do on it; `settle` is awaited before each look, where that is wiser."""

    def __init__(self, stage: Stage, settle: Callable[[], Awaitable[None]] = at_once) -> None:
        self._stage = stage
        self._settle = settle
        self.client = stage.client
        self.namespace = stage.namespace

    def key(self, name: str) -> ObjectKey:
        """The key of an object in the namespace."""
        return ObjectKey(self.namespace, name)

    async def make(self, resource: AnyResource, name: str, spec: Any = None, **fields: Any) -> Unstructured:
        """Create an object; `labels`, `ownerReferences` and such may be given as `metadata`."""
        metadata = {"name": name, **fields.pop("metadata", {})}
        if resource.namespaced:
            metadata["namespace"] = self.namespace
        body = {"metadata": metadata, **fields} | ({} if spec is None else {"spec": spec})
        return await self.client.create(resource.of(Unstructured), body)

    async def get(self, resource: AnyResource, name: str) -> Unstructured:
        """Read an object."""
        return await self.client.get(resource.of(Unstructured), self._place(resource, name))

    async def all_of(self, resource: AnyResource) -> list[Unstructured]:
        """Read the objects of the namespace."""
        return await self.client.list(resource.of(Unstructured), namespace=self.namespace)

    async def change(self, resource: AnyResource, name: str, fields: Mapping[str, Any], subresource: str = "") -> None:
        """Merge fields into an object."""
        await self.client.patch(resource, self._place(resource, name), MergePatch(fields), subresource=subresource)

    async def delete(self, resource: AnyResource, name: str, **options: Any) -> None:
        """Delete an object."""
        await self.client.delete(resource, self._place(resource, name), **options)

    async def delete_when_there(self, resource: AnyResource, name: str) -> None:
        """Wait for an object that somebody else makes, and delete it."""

        async def there() -> bool:
            return bool(await self.get(resource, name))

        await self.becomes(there, True)
        await self.delete(resource, name)

    async def becomes(self, read: Callable[[], Awaitable[object]], wanted: object, within: float = PATIENCE_S) -> None:
        """Wait until what is read is what is wanted. Errors: AssertionError that shows both."""
        __tracebackhide__ = True
        seen: list[object] = ["nothing"]

        async def reads() -> bool:
            try:
                seen[0] = await read()
            except NotFound:
                seen[0] = "NotFound"
            return seen[0] == wanted

        try:
            await self._settle()
            await self._stage.until(reads, within=within)
        except CtrlkitError as error:
            raise AssertionError(f"waited for {wanted}, last seen was {seen[0]}") from error

    async def is_gone(self, resource: AnyResource, name: str) -> None:
        """Wait until an object is gone."""
        __tracebackhide__ = True

        async def there() -> bool:
            try:
                await self.get(resource, name)
            except NotFound:
                return False
            return True

        await self.becomes(there, False)

    async def phases(self) -> dict[str, str]:
        """The phases of the pods by name, without the random ends of names; those that go are left out."""
        return {
            without_suffix(pod.key.name): pod["status"]["phase"]
            for pod in await self.all_of(PODS)
            if not pod.metadata.deletion_timestamp
        }

    async def events(self, kind: str, name: str) -> list[tuple[str, str]]:
        """Reasons and texts of the Events about an object, in the order in which they came first."""
        found = [one for one in await self.all_of(EVENTS) if _about(one) == (kind, name)]
        found.sort(
            key=lambda one: (
                one.get("firstTimestamp") or one.get("eventTime") or "",
                int(one.metadata.resource_version),
            )
        )
        return [(one["reason"], without_suffix(one["message"])) for one in found]

    def _place(self, resource: AnyResource, name: str) -> ObjectKey:
        return ObjectKey(self.namespace if resource.namespaced else "", name)


def _about(event: Unstructured) -> tuple[str, str]:
    about = event["involvedObject"]
    return about["kind"], about["name"]


def without_suffix(text: str) -> str:
    """
    Leave the random ends of generated names out of a text.

    >>> without_suffix("Created pod: web-5d9f7f9569-kmhf2")
    'Created pod: web-5d9f7f9569-*'
    """
    return _SUFFIX.sub("*", text)


def conditions(found: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The status and reason of each condition of an object."""
    given = found["status"].get("conditions") or []
    return {one["type"]: (one["status"], one.get("reason", "")) for one in given}


def counts(found: Mapping[str, Any]) -> dict[str, Any]:
    """The status of an object without conditions and times."""
    return {name: value for name, value in found["status"].items() if name != "conditions"}


def template(image: str, app: str = "web", **spec: Any) -> dict[str, Any]:
    """A template of pods with one container."""
    return {"metadata": {"labels": {"app": app}}, "spec": pod(image, **spec)}


def pod(image: str, **spec: Any) -> dict[str, Any]:
    """The spec of a pod with one container, which stops at once."""
    return {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 0, **spec}


class Ends:
    """A program that ends at once."""

    def __init__(self, code: int) -> None:
        self._code = code

    async def run(self) -> int:
        """End."""
        await asyncio.sleep(0)
        return self._code

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """It is too late for that."""
        return ProbeResult(ok=False, output="it has ended")


IMAGES: Images = {
    "missing": Image(pull=Pull(error="not found")),
    "web": lambda address, spec: AlwaysReady(),
    "done": lambda address, spec: Ends(0),
    "fails": lambda address, spec: Ends(1),
    "by-index": lambda address, spec: Ends(int(spec.environment["JOB_COMPLETION_INDEX"])),
}
"""Images by name."""
