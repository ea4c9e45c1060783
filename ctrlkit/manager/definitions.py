"""Says at the start where the type of a custom kind and the definition that the server has disagree."""

from __future__ import annotations

from collections.abc import Iterable

from ctrlkit.client import Client
from ctrlkit.errors import ApiError, DecodeError, Forbidden, NotFound, TransportError
from ctrlkit.model import AnyResource
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from ctrlkit.telemetry import logger

_log = logger("manager")


async def tell_disagreements(client: Client, resources: Iterable[AnyResource]) -> None:
    """
    Log a line for each difference between a type and its definition, and for each field that is dropped as nothing
    converts between versions; one that may not be read is told once.

    It never raises: whether the program can work does not hang on it.
    """
    custom = dict.fromkeys(one for one in resources if one.is_custom)
    if not custom:
        return
    from ctrlkit.crd.differences import disagreements, unconverted  # noqa: PLC0415 - a program without custom kinds does not pay
    from ctrlkit.crd.fields import SchemaError, has_a_definition  # noqa: PLC0415

    told: set[str] = set()
    for resource in filter(has_a_definition, custom):
        try:
            definition = await client.get(CUSTOM_RESOURCE_DEFINITIONS, str(resource))
            found = [(resource.version, one) for one in disagreements(resource, definition)]
            found += [] if str(resource) in told else unconverted(definition)
            told.add(str(resource))
        except NotFound:
            continue  # another server stands behind the kind
        except Forbidden:
            _log.info("definition_unchecked", kind=resource.kind, allow=f"get customresourcedefinitions {resource}")
            continue
        except (
            *(ApiError, TransportError, DecodeError, SchemaError),
            *(TypeError, ValueError, LookupError, AttributeError),  # a definition, or a type, of another form
        ) as error:
            _log.info("definition_unchecked", kind=resource.kind, error=str(error))
            continue
        for version, one in found:
            _log.warning("definition_disagrees", kind=resource.kind, version=version, field=one.path, fact=one.fact)
