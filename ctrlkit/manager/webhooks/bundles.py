"""Where caBundles stand: configurations of webhooks, and definitions of kinds that are converted. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ctrlkit.manager.webhooks.certificates import pem_of, read_bundle
from ctrlkit.manager.webhooks.rotation import Authority, Place
from ctrlkit.model import AnyResource, ObjectKey, Unstructured
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from ctrlkit.webhooks import Webhooks
from ctrlkit.webhooks.configurations import CONFIGURATIONS

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """An object that has caBundles: a configuration, or a definition."""

    resource: AnyResource
    name: str

    def __str__(self) -> str:
        return f"{self.resource.plural}/{self.name}"

    @property
    def key(self) -> ObjectKey:
        """Its key: neither kind is in a namespace."""
        return ObjectKey("", self.name)

    def place(self, found: Mapping[str, Any]) -> Place:
        """Return what the caBundles of the object hold, as it was read."""
        configs = dict(self._client_configs(found))
        return Place(str(self), {name: read_bundle(_decoded(config)) for name, config in configs.items()})

    def body(self, version: str, bundles: Mapping[str, Iterable[Authority]]) -> Plain:
        """Return what to apply: the caBundles alone, if the object is still the version that was read."""
        metadata = {"name": self.name, "resourceVersion": version}
        texts = {name: base64.b64encode(pem_of(bundle)).decode() for name, bundle in bundles.items()}
        if self.resource == CUSTOM_RESOURCE_DEFINITIONS:
            webhook = {"clientConfig": {"caBundle": texts[""]}}
            return {"metadata": metadata, "spec": {"conversion": {"webhook": webhook}}}
        hooks = [{"name": name, "clientConfig": {"caBundle": text}} for name, text in texts.items()]
        return {"metadata": metadata, "webhooks": hooks}

    def disowning(self, found: Unstructured, manager: str) -> list[Plain]:
        """
        Return the operations of a JSON patch by which a field manager owns nothing of an object any more.

        What nobody owns stays when others apply the object again; and where they leave out a webhook, all of it goes,
        while one of whose fields another is the owner would stay in part, and be refused.
        """
        entries = found["metadata"].get("managedFields") or ()
        ours = [number for number, entry in enumerate(entries) if entry.get("manager") == manager]
        if not ours:
            return []
        version = {"op": "test", "path": "/metadata/resourceVersion", "value": found.metadata.resource_version}
        return [version, *({"op": "remove", "path": f"/metadata/managedFields/{number}"} for number in reversed(ours))]

    def _client_configs(self, found: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        if self.resource != CUSTOM_RESOURCE_DEFINITIONS:
            for hook in found.get("webhooks") or ():
                yield hook["name"], hook.get("clientConfig") or {}
            return
        conversion = (found.get("spec") or {}).get("conversion") or {}
        config = (conversion.get("webhook") or {}).get("clientConfig")
        if conversion.get("strategy") == "Webhook" and config:
            yield "", config


def targets_of(webhooks: Webhooks, name: str) -> tuple[Target, ...]:
    """Return the objects that tell a server of webhooks: configurations of a name, and definitions."""
    verbs = {getattr(each, "verb", "") for each in webhooks}
    return (
        *(Target(resource, name) for verb, resource in CONFIGURATIONS.items() if verb in verbs),
        *(Target(CUSTOM_RESOURCE_DEFINITIONS, converted) for converted in webhooks.converted),
    )


def _decoded(config: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(config.get("caBundle") or "")
    except ValueError:
        return b""
