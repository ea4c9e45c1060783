"""What a schema can say of a field or a class and Python's own annotations cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Final, TypeVar, get_args, get_type_hints

C = TypeVar("C", bound=type)

CLASS_ATTRIBUTE: Final = "__ctrlkit_schema__"


class _Default(Enum):
    OF_THE_CLASS = "the default of the class"
    NONE = "no default"


NO_DEFAULT: Final = _Default.NONE
"""For `Schema(default=NO_DEFAULT)`: the class has a default, the server sets none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    A rule in CEL, as in `x-kubernetes-validations`; `self` is the value, `oldSelf` the one before.

    >>> Rule(rule="self.min <= self.max", message="min may not exceed max").to_schema()
    {'rule': 'self.min <= self.max', 'message': 'min may not exceed max'}
    """

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool | None = None

    def to_schema(self) -> dict[str, Any]:
        """Return it as it stands in a schema."""
        said = {
            "rule": self.rule,
            "message": self.message or None,
            "messageExpression": self.message_expression or None,
            "reason": self.reason or None,
            "fieldPath": self.field_path or None,
            "optionalOldSelf": self.optional_old_self,
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """
    Says more of a field, inside of `Annotated`, or of a class, as a decorator.

        class Port(msgspec.Struct):
            number: Annotated[int, Schema(format="int32", rules=(Rule(rule="self > 0"),))]

        @Schema(rules=(Rule(rule="self.min <= self.max"),))
        class Range(msgspec.Struct):
            min: int
            max: int

    Shape   `list_type` is atomic, set or map, a map has `list_map_keys`; `map_type` is granular or atomic. `default` is
            what the server sets, by default what the class has; NO_DEFAULT is for none. With `unknown_fields` all are
            kept that the schema does not name; `embedded` is a whole object with its apiVersion and kind. `type` stands
            in place of what the Python type would give. `more` is merged into the schema as it is, such as `oneOf`.
    """

    type: str = ""
    format: str = ""
    nullable: bool = False
    default: Any = field(default=_Default.OF_THE_CLASS, hash=False)
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    unknown_fields: bool = False
    embedded: bool = False
    int_or_string: bool = False
    rules: tuple[Rule, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.list_type not in ("", "atomic", "set", "map") or (self.list_type == "map" and not self.list_map_keys):
            raise ValueError(f"Schema: list_type {self.list_type!r}: write atomic, set, or map with list_map_keys")
        if self.map_type not in ("", "granular", "atomic"):
            raise ValueError(f"Schema: map_type {self.map_type!r}: write granular or atomic")

    def with_more(self, other: Schema) -> Schema:
        """Return what both say; where they differ, the other one counts."""
        said = {one.name: getattr(other, one.name) for one in fields(self) if getattr(other, one.name) != one.default}
        rules = (*self.rules, *(rule for rule in other.rules if rule not in self.rules))
        return replace(self, **said | {"rules": rules, "more": {**self.more, **other.more}})

    def __call__(self, cls: C) -> C:
        """Say it of a class, and return the class."""
        setattr(cls, CLASS_ATTRIBUTE, self)
        return cls

    @property
    def has_default(self) -> bool:
        """Whether the default is said here."""
        return self.default is not _Default.OF_THE_CLASS

    def to_schema(self) -> dict[str, Any]:
        """Return the part of a schema that this says, its default excepted."""
        said = {
            "type": self.type or None,
            "format": self.format or None,
            "nullable": self.nullable or None,
            "x-kubernetes-list-type": self.list_type or ("map" if self.list_map_keys else None),
            "x-kubernetes-list-map-keys": list(self.list_map_keys) or None,
            "x-kubernetes-map-type": self.map_type or None,
            "x-kubernetes-preserve-unknown-fields": self.unknown_fields or None,
            "x-kubernetes-embedded-resource": self.embedded or None,
            "x-kubernetes-int-or-string": self.int_or_string or None,
            "x-kubernetes-validations": [rule.to_schema() for rule in self.rules] or None,
            **self.more,
        }
        return {name: value for name, value in said.items() if value is not None}


def said_of_class(cls: object) -> Schema | None:
    """Return what a class itself was decorated with; what its bases were does not count."""
    said = vars(cls).get(CLASS_ATTRIBUTE) if isinstance(cls, type) else None
    return said if isinstance(said, Schema) else None


def unknown_name(type_: Any, error: NameError) -> str:
    """
    Return what to say of a type where an annotation, its own or one of the types in it, names what is not there.

    >>> class Spec:
    ...     host: "Hostname"
    >>> unknown_name(list[Spec], NameError("name 'Hostname' is not defined"))[:52]
    "fields of Spec: name 'Hostname' is not defined; impo"
    """
    name = _named_in_vain(type_, set()) or getattr(type_, "__qualname__", str(type_))
    return f"fields of {name}: {error}; import what annotations name where the class is, not under TYPE_CHECKING alone"


def _named_in_vain(type_: Any, seen: set[int]) -> str:
    if id(type_) in seen:
        return ""
    seen.add(id(type_))
    below = [*get_args(type_)]
    if isinstance(type_, type):
        try:
            below += get_type_hints(type_, include_extras=True).values()
        except NameError:
            return type_.__qualname__
    return next((name for each in below if (name := _named_in_vain(each, seen))), "")
