"""The structural schema of a Python type: of each library's classes, with their constraints, defaults and texts."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict
from uuid import uuid4

import attrs
import msgspec
import pydantic
import pytest
from msgspec import Meta

from ctrlkit.crd import SchemaError, object_schema_of, schema_of
from ctrlkit.crd.fields import fields_of
from ctrlkit.model import NO_DEFAULT, Column, Condition, ObjectMeta, Rule, ScaleFields, Schema, Unstructured

Port = NewType("Port", int)
NewName = NewType("NewName", str)


class Protocol(enum.Enum):
    TCP = "TCP"
    UDP = "UDP"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Struct(msgspec.Struct, rename="camel", kw_only=True):
    """
    What a user wants.

    Nothing of this paragraph is told.
    """

    max_size: Annotated[int, Meta(ge=1, lt=10)]
    """How many there may be."""

    mode: Literal["fast", "slow"] = "fast"


@dataclass
class Data:
    maxSize: Annotated[int, Meta(ge=1, lt=10)]  # noqa: N815  # as it travels
    """How many there may be."""

    mode: Literal["fast", "slow"] = "fast"


@attrs.define
class Attrs:
    maxSize: Annotated[int, Meta(ge=1, lt=10)]  # noqa: N815
    """How many there may be."""

    mode: Literal["fast", "slow"] = "fast"


class Model(pydantic.BaseModel):
    max_size: int = pydantic.Field(ge=1, lt=10, alias="maxSize", description="How many there may be.")
    mode: Literal["fast", "slow"] = "fast"


class Mapped(TypedDict):
    maxSize: Annotated[int, Meta(ge=1, lt=10, description="How many there may be.")]
    mode: NotRequired[Literal["fast", "slow"]]


@pytest.mark.parametrize("type_", [Struct, Data, Attrs, Model, Mapped])
def test_classes_of_each_library_give_the_same_schema(type_: type) -> None:
    """A Struct, a dataclass, an attrs class, a TypedDict (which has no defaults) and a pydantic model."""
    default = {} if type_ is Mapped else {"default": "fast"}
    size = {
        "description": "How many there may be.",
        "type": "integer",
        "minimum": 1,
        "maximum": 10,
        "exclusiveMaximum": True,
    }
    schema = schema_of(type_)
    assert schema.pop("description", "What a user wants.") == "What a user wants."
    assert schema == {
        "type": "object",
        "required": ["maxSize"],
        "properties": {"maxSize": size, "mode": {"type": "string", **default, "enum": ["fast", "slow"]}},
    }


@pytest.mark.parametrize(
    ("type_", "schema"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (float, {"type": "number"}),
        (int | float, {"type": "number"}),
        (bytes, {"type": "string", "format": "byte"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (Port, {"type": "integer"}),
        (int | str, {"x-kubernetes-int-or-string": True}),
        (Any, {"x-kubernetes-preserve-unknown-fields": True}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Mapping[str, Any], {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (Unstructured, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (tuple[str, ...], {"type": "array", "items": {"type": "string"}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (list[int | None], {"type": "array", "items": {"type": "integer", "nullable": True}}),
        (set[str], {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
        (Protocol, {"type": "string", "enum": ["TCP", "UDP"]}),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (Literal["a"] | Literal["b"], {"type": "string", "enum": ["a", "b"]}),
        (Annotated[str, Meta(pattern="^a", min_length=1)], {"type": "string", "pattern": "^a", "minLength": 1}),
        (
            Annotated[list[str], Meta(max_length=3)],
            {"type": "array", "maxItems": 3, "items": {"type": "string"}},
        ),
        (
            Annotated[dict[str, str], Meta(min_length=1)],
            {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        ),
        (Annotated[int, Schema(format="int32")], {"type": "integer", "format": "int32"}),
        (Annotated[Any, Schema(type="string", format="duration")], {"type": "string", "format": "duration"}),
        (
            Annotated[dict[str, Any], Schema(embedded=True, unknown_fields=True)],
            {
                "type": "object",
                "x-kubernetes-embedded-resource": True,
                "x-kubernetes-preserve-unknown-fields": True,
            },
        ),
    ],
)
def test_a_type_has_its_schema(type_: Any, schema: dict[str, Any]) -> None:
    """Scalars, containers, enums, unions that a schema can say, and what is said in place of them."""
    assert schema_of(type_) == schema


def test_constraints_of_annotated_types_and_pydantic_are_read() -> None:
    """Wherever they stand: in Annotated, or in a Field."""
    import annotated_types as limits

    assert schema_of(Annotated[int, limits.Interval(gt=1, le=5)]) == {
        "type": "integer",
        "minimum": 1,
        "exclusiveMinimum": True,
        "maximum": 5,
    }
    assert schema_of(Annotated[str, limits.Len(2, 4)]) == {"type": "string", "minLength": 2, "maxLength": 4}
    assert schema_of(Annotated[int, limits.MultipleOf(2)]) == {"type": "integer", "multipleOf": 2}

    class Named(pydantic.BaseModel):
        name: pydantic.constr(pattern="^x", max_length=9)  # type: ignore[valid-type]
        size: pydantic.PositiveInt = 1

    properties = schema_of(Named)["properties"]
    assert properties["name"] == {"type": "string", "pattern": "^x", "maxLength": 9}
    assert properties["size"] == {"type": "integer", "default": 1, "minimum": 0, "exclusiveMinimum": True}


class Inner(msgspec.Struct):
    size: int = 3
    note: str = ""


class Outer(msgspec.Struct):
    needed: str | None
    empty: str = ""
    off: bool = False
    nothing: str | None = None
    items: list[str] = []
    pair: list[str] = msgspec.field(default_factory=lambda: ["a"])
    inner: Inner = msgspec.field(default_factory=Inner)
    bigger: Inner = msgspec.field(default_factory=lambda: Inner(size=9))
    ours: Annotated[int, Schema(default=NO_DEFAULT)] = 5
    theirs: Annotated[int, Schema(default=7)] = 0


def test_defaults_that_say_something_become_those_of_the_server() -> None:
    """Empty ones do not: a field that is absent reads the same. An object's default lets those inside take effect."""
    schema = schema_of(Outer)
    defaults = {name: one["default"] for name, one in schema["properties"].items() if "default" in one}
    assert defaults == {"off": False, "pair": ["a"], "inner": {}, "bigger": {"size": 9}, "theirs": 7}
    assert schema["required"] == ["needed"]
    assert [name for name, one in schema["properties"].items() if one.get("nullable")] == ["needed"]


class Cat(msgspec.Struct, tag="cat", tag_field="kind"):
    lives: int
    name: str = "Tom"


class Dog(msgspec.Struct, tag="dog", tag_field="kind"):
    barks: bool = True
    name: str = "Tom"


class Fish(msgspec.Struct, tag="fish", tag_field="kind"):
    name: int


def test_tagged_structs_are_one_object_whose_tag_says_what_is_required() -> None:
    """A structural schema has all fields of all of them; `oneOf` says which go with which value of the tag."""
    schema = schema_of(Cat | Dog)
    assert schema["required"] == ["kind"]
    assert schema["properties"]["kind"] == {"type": "string", "enum": ["cat", "dog"]}
    assert list(schema["properties"]) == ["kind", "lives", "name", "barks"]
    assert schema["oneOf"] == [
        {"required": ["kind", "lives"], "properties": {"kind": {"enum": ["cat"]}}},
        {"required": ["kind"], "properties": {"kind": {"enum": ["dog"]}}},
    ]


@Schema(rules=(Rule(rule="self.low <= self.high", message="low may not exceed high"),), map_type="atomic")
class Range(msgspec.Struct):
    low: Annotated[
        int, Schema(rules=(Rule(rule="self >= 0"), Rule(rule="self == oldSelf", reason="FieldValueForbidden")))
    ]
    high: int


def test_rules_stand_at_fields_and_at_classes() -> None:
    """As x-kubernetes-validations."""
    schema = schema_of(Range)
    assert schema["x-kubernetes-map-type"] == "atomic"
    assert schema["x-kubernetes-validations"] == [
        {"rule": "self.low <= self.high", "message": "low may not exceed high"}
    ]
    assert [rule["rule"] for rule in schema["properties"]["low"]["x-kubernetes-validations"]] == [
        "self >= 0",
        "self == oldSelf",
    ]


class Kind(msgspec.Struct, rename="camel"):
    """A kind."""

    metadata: ObjectMeta
    spec: Inner
    template: ObjectMeta | None = None
    status: Inner = msgspec.field(default_factory=Inner)


def test_objects_have_the_fields_of_each_object_and_a_status_without_defaults() -> None:
    """A default in the status would give a new object one."""
    schema = object_schema_of(Kind)
    assert list(schema["properties"]) == ["apiVersion", "kind", "metadata", "spec", "template", "status"]
    assert schema["properties"]["metadata"] == {"type": "object"}
    assert schema["properties"]["template"]["x-kubernetes-preserve-unknown-fields"]
    assert schema["properties"]["spec"]["properties"]["size"]["default"] == 3
    assert schema["properties"]["status"]["properties"]["size"] == {"type": "integer"}
    assert schema["required"] == ["spec"]


def test_conditions_are_a_map_by_type_with_the_limits_of_each_kind() -> None:
    """Those of metav1.Condition, which a server checks and decoding does not."""
    schema = schema_of(tuple[Condition, ...])
    assert schema["x-kubernetes-list-map-keys"] == ["type"]
    assert schema["items"]["properties"]["status"]["enum"] == ["True", "False", "Unknown"]


class Tree(msgspec.Struct):
    children: list[Tree] = []


class WithObject(msgspec.Struct, array_like=True):
    a: int


class Odd:
    pass


@dataclass
class Holder:
    odd: list[dict[str, Odd]] = field(default_factory=list)


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (Tree, "field children[]: Tree contains itself"),
        (WithObject, "WithObject travels as a list"),
        (Holder, "field odd[]{}: no schema says Odd"),
        (tuple[int, str], "the items of"),
        (dict[int, str], "keys of a mapping are text, int is not"),
        (Cat | Fish, "field name differs in Fish"),
        (Inner | Range, "Inner or Range cannot be told from each other"),
        (list[str] | int, "no schema says list"),
        (Literal["a", 1], "of several types"),
    ],
)
def test_what_no_schema_can_say_is_refused(type_: Any, said: str) -> None:
    """With the path of the field, the fact and the next step."""
    with pytest.raises(SchemaError) as caught:
        schema_of(type_)
    assert said in str(caught.value)
    assert ";" in str(caught.value)


class Optional3(msgspec.Struct):
    text: str | None = "some"
    size: int | None = None


def test_none_beside_another_default_is_a_value_of_its_own() -> None:
    """It has to be stored, or it would read as the default."""
    properties = schema_of(Optional3)["properties"]
    assert (properties["text"]["nullable"], properties["text"]["default"]) == (True, "some")
    assert "nullable" not in properties["size"]


def test_a_default_that_differs_each_time_is_not_the_servers() -> None:
    """It would be the same for all objects; nor is one whose factory cannot be asked."""

    class Made(msgspec.Struct):
        id: str = msgspec.field(default_factory=lambda: uuid4().hex)
        size: float = msgspec.field(default_factory=lambda: 1 / 0)

    assert [one for one in schema_of(Made)["properties"].values() if "default" in one] == []


def test_a_status_is_never_required_and_a_lone_tagged_struct_has_its_tag() -> None:
    """A server takes the status of a new object away."""

    class Whole(msgspec.Struct):
        metadata: ObjectMeta
        status: Inner
        pet: Cat | None = None

    schema = object_schema_of(Whole)
    assert "required" not in schema
    assert schema["properties"]["pet"]["properties"]["kind"] == {"type": "string", "enum": ["cat"]}
    assert schema["properties"]["pet"]["required"] == ["kind", "lives"]


def test_what_several_say_of_one_value_is_said_together() -> None:
    """Rules are all kept; of a format the outermost counts."""
    positive = Annotated[int, Schema(rules=(Rule(rule="self > 0"),), format="int64")]
    schema = schema_of(Annotated[positive, Schema(format="int32", rules=(Rule(rule="self < 9"),))])
    assert schema["format"] == "int32"
    assert [rule["rule"] for rule in schema["x-kubernetes-validations"]] == ["self > 0", "self < 9"]


class OpenModel(pydantic.BaseModel, extra="allow"):
    data: bytes = b"hi"
    name: NewName = NewName("a")


def test_models_are_as_pydantic_reads_and_writes_them() -> None:
    """Bytes as text, extra fields kept."""
    schema = schema_of(OpenModel)
    assert schema["x-kubernetes-preserve-unknown-fields"] is True
    assert schema["properties"]["data"] == {"type": "string", "default": "hi"}


class Split(pydantic.BaseModel):
    size: int = pydantic.Field(default=1, validation_alias="in", serialization_alias="out")


class Lost(msgspec.Struct):
    there: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: schema_of(list[Literal["a"] | None]), "it may be None, which servers refuse"),
        (lambda: schema_of(set[dict[str, str]]), "the items of a set are plain values"),
        (lambda: schema_of(Annotated[list[Inner], Schema(list_map_keys=("name",))]), "name is a key of its items"),
        (lambda: schema_of(pydantic.RootModel[list[int]]), "a RootModel is no object"),
        (lambda: schema_of(Split), "read and written under different names"),
        (lambda: schema_of(Lost), "name 'Nowhere' is not defined"),
    ],
)
def test_what_servers_would_refuse_is_refused(make: Any, said: str) -> None:
    """Where it is made, with the reason."""
    with pytest.raises(SchemaError, match=said):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Schema(list_type="bogus"),
        lambda: Schema(list_type="map"),
        lambda: Schema(map_type="map"),
        lambda: Column(name="A", json_path=".spec.a", type="text"),
        lambda: Column(name="A", json_path="spec.a"),
        lambda: ScaleFields(spec_replicas=".spec.replicas", status_replicas="status.replicas"),
    ],
)
def test_words_that_no_server_knows_are_refused_where_they_are_written(make: Any) -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match=r"write|it begins with"):
        make()


def test_texts_below_fields_are_those_of_the_class_itself() -> None:
    """Of one in a class, in a function, and of a base class; a source is read once for all of them."""

    class Size(msgspec.Struct):
        disk: str = ""
        """In a function."""

        class Limit(msgspec.Struct):
            disk: str = ""
            """In a class."""

    class Larger(Size):
        memory: str = ""
        """Its own."""

    said = {one: {field.name: field.description for field in fields_of(one)} for one in (Size, Size.Limit, Larger)}
    assert said == {
        Size: {"disk": "In a function."},
        Size.Limit: {"disk": "In a class."},
        Larger: {"disk": "In a function.", "memory": "Its own."},
    }
    assert fields_of(type("Made", (msgspec.Struct,), {"__annotations__": {"disk": str}}))[0].description == ""
