"""Which form of an answer a client accepts."""

from __future__ import annotations

from enum import Enum

from ctrlkit.errors import NotAcceptable

_ACCEPTED_TYPES = ("application/json", "application/*", "*/*")
AGGREGATED_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Form(Enum):
    """How an object, a list or the objects of a watch are sent."""

    OBJECT = "Object"
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"


_FORMS = {
    ("Table", "v1", "meta.k8s.io"): Form.TABLE,
    ("PartialObjectMetadata", "v1", "meta.k8s.io"): Form.METADATA,
    ("PartialObjectMetadataList", "v1", "meta.k8s.io"): Form.METADATA,
    ("", "", ""): Form.OBJECT,
}


def accepted_form(accept: str) -> Form:
    """
    The first form an Accept header names that the server has; JSON where it names nothing.

    >>> accepted_form("application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
    <Form.TABLE: 'Table'>
    >>> accepted_form("application/json;as=Table;v=v9;g=meta.k8s.io, application/json")
    <Form.OBJECT: 'Object'>

    Errors  NotAcceptable where nothing fits.
    """
    for media_type, parameters in _clauses(accept or "*/*"):
        wanted = (parameters.get("as", ""), parameters.get("v", ""), parameters.get("g", ""))
        if media_type in _ACCEPTED_TYPES and wanted in _FORMS:
            return _FORMS[wanted]
    raise NotAcceptable("only the following media types are accepted: application/json")


def accepts_aggregated_discovery(accept: str) -> bool:
    """
    Whether a client of /api or /apis takes all groups in one document rather than a list of names.

    >>> accepts_aggregated_discovery("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    True
    """
    return any(
        parameters.get("as") == "APIGroupDiscoveryList" and parameters.get("v") == "v2"
        for _, parameters in _clauses(accept)
    )


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """An Accept header's media types with their parameters, in the client's order."""
    clauses = []
    for clause in accept.split(","):
        media_type, *parts = (part.strip() for part in clause.split(";"))
        pairs = (part.partition("=") for part in parts)
        clauses.append((media_type.lower(), {name.strip(): value.strip().strip('"') for name, _, value in pairs}))
    return clauses
