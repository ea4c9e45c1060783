"""What a CustomResourceDefinition says of a custom kind beside its names and its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """
    A column that `kubectl get` prints; one with a `priority` above 0 only with `-o wide`.

    >>> Column(name="Ready", json_path=".status.readyNodes", type="integer").type
    'integer'

    Shape   `type` is integer, number, string, boolean or date; `format` is one that OpenAPI knows for it.
    """

    name: str
    json_path: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleFields:
    """The fields behind the scale subresource, as paths such as `.spec.replicas`."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """
    What the definition of a kind says beside its names and the schema of its objects.

    Shape   `status` is whether there is a status subresource; by default there is one if the type has a field `status`.
            `selectable_fields` are paths for field selectors. `storage` is for kinds with several versions, of which
            one is stored; `served` is whether the version is served, `deprecated` the warning for those who use it.
            `annotations` are the definition's own.
    """

    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    scale: ScaleFields | None = None
    status: bool | None = None
    selectable_fields: tuple[str, ...] = ()
    served: bool = True
    storage: bool | None = None
    deprecated: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
