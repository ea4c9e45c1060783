"""What a CustomResourceDefinition says of a custom kind beside its names and its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_COLUMN_TYPES: Final = ("string", "integer", "number", "boolean", "date")


def _check_path(what: str, path: str, begins: str) -> None:
    if not path.startswith(begins):
        raise ValueError(f"{what}: path {path!r}: it begins with {begins!r}, such as {begins.rstrip('.')}.replicas")


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

    def __post_init__(self) -> None:
        if self.type not in _COLUMN_TYPES:
            raise ValueError(f"column {self.name}: type {self.type!r}: write {', '.join(_COLUMN_TYPES)}")
        _check_path(f"column {self.name}", self.json_path, ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleFields:
    """The fields behind the scale subresource, as paths such as `.spec.replicas`."""

    spec_replicas: str
    status_replicas: str
    label_selector: str = ""

    def __post_init__(self) -> None:
        _check_path("spec_replicas of the scale", self.spec_replicas, ".spec.")
        _check_path("status_replicas of the scale", self.status_replicas, ".status.")
        if self.label_selector:
            _check_path("label_selector of the scale", self.label_selector, ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """
    What the definition of a kind says beside its names and the schema of its objects.

    Shape   `status` is whether there is a status subresource; by default there is one if the type has a field `status`.
            `selectable_fields` are paths for field selectors. `storage` is for kinds with several versions, of which
            one is stored; `served` is whether the version is served, `deprecated` the warning for those who use it.
            `annotations` are the definition's own. A kind that is not `owned` is somebody else's: the type says what a
            program reads of it, and nothing makes its definition.
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
    owned: bool = True
