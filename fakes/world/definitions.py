"""Make the kinds of CustomResourceDefinitions known to a server, in process or real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctrlkit.client import Client
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS


async def apply_definition(client: Client, definition: Mapping[str, Any]) -> str:
    """Apply a definition; return its name. A definition that is there already is brought to this state."""
    name = str(definition["metadata"]["name"])
    await client.apply(CUSTOM_RESOURCE_DEFINITIONS, name, dict(definition))
    return name


async def established(client: Client, name: str) -> Unstructured | None:
    """Return a definition whose kind is served, None while it is not."""
    definition = await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
    conditions = definition.at("status.conditions") or ()
    is_served = any((one["type"], one["status"]) == ("Established", "True") for one in conditions)
    return definition if is_served else None
