"""Says at the start where the type of a custom kind and the definition that the server has disagree."""

from __future__ import annotations

from collections.abc import Iterable

from ctrlkit.client import Client
from ctrlkit.errors import ApiError, DecodeError, Forbidden, NotFound, TransportError
from ctrlkit.model import AnyResource, Unstructured
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from ctrlkit.telemetry import logger

_log = logger("manager")


async def tell_disagreements(client: Client, resources: Iterable[AnyResource]) -> None:
    """
    Log a line for each difference between a type and its definition; one that may not be read is told once.

    It never raises: whether the program can work does not hang on it.
    """
    from ctrlkit.crd.differences import disagreements  # noqa: PLC0415 - a program without custom types does not pay
    from ctrlkit.crd.fields import SchemaError  # noqa: PLC0415

    for resource in dict.fromkeys(one for one in resources if has_a_definition(one)):
        try:
            definition = await client.get(CUSTOM_RESOURCE_DEFINITIONS, str(resource))
        except NotFound:
            continue  # another server stands behind the kind
        except Forbidden:
            _log.info("definition_unchecked", kind=resource.kind, allow=f"get customresourcedefinitions {resource}")
            continue
        except (ApiError, TransportError, DecodeError) as error:
            _log.info("definition_unchecked", kind=resource.kind, error=str(error))
            continue
        try:
            found = disagreements(resource, definition)
        except (SchemaError, TypeError, ValueError, LookupError, AttributeError) as error:  # of another form than ours
            _log.info("definition_unchecked", kind=resource.kind, error=str(error))
            continue
        for one in found:
            _log.warning(
                "definition_disagrees", kind=resource.kind, version=resource.version, field=one.path, fact=one.fact
            )


def has_a_definition(resource: AnyResource) -> bool:
    """Return whether a kind is a custom one with a type of fields."""
    from ctrlkit.crd.fields import is_class_with_fields  # noqa: PLC0415

    is_custom = "." in resource.group and not resource.group.endswith(".k8s.io")
    typed = not issubclass(resource.type, Unstructured) and not resource.is_metadata_only
    return is_custom and typed and is_class_with_fields(resource.type)
