"""What strangers write as classes becomes definitions under which each object is read back as it was written."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from ctrlkit.crd import SchemaError, definition_of, disagreements, object_schema_of, schema_of
from ctrlkit.errors import Invalid
from ctrlkit.fakes import FakeClientset
from ctrlkit.model import AnyResource, ObjectMeta, to_plain
from ctrlkit.wire.codec import Codec
from tests.unit.crd.strangers import CASES, REFUSED, Case, Forbidding, Initial, kind_of


def body_of(resource: AnyResource, spec: Any, name: str = "a") -> dict[str, Any]:
    """An object with such a spec."""
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    return {**head, "metadata": {"name": name, "namespace": "default"}, "spec": to_plain(spec)}


def read(resource: AnyResource, stored: Any) -> Any:
    """The spec of an object as a server has it, decoded as a client decodes it."""
    value = Codec(resource).decode_object(msgspec.json.encode(stored))
    return value["spec"] if isinstance(value, dict) else value.spec


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_what_is_written_is_stored_and_read_back(case: Case) -> None:
    """Every value as it was; the definition agrees with the class, and says what of objects is refused."""
    definition = definition_of(case.resource)
    assert disagreements(case.resource, definition, owned=True) == []
    tracker = FakeClientset(None, definition).tracker
    for number, value in enumerate(case.values):
        stored = tracker.create(case.resource, body_of(case.resource, value, f"o{number}"))
        assert read(case.resource, stored) == value
    for spec in case.refused:
        with pytest.raises(Invalid):
            tracker.create(case.resource, body_of(case.resource, spec, "refused"))


@pytest.mark.parametrize(("type_", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_cannot_be_said_is_refused_in_one_line(type_: Any, said: str) -> None:
    """With the field, the fact and the next step."""
    with pytest.raises(SchemaError) as caught:
        schema_of(type_)
    assert said in str(caught.value)
    assert ";" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_whole_object_may_not_forbid_what_each_object_has() -> None:
    """It could read none."""
    with pytest.raises(SchemaError, match="each object has apiVersion, kind and metadata"):
        object_schema_of(Forbidding)


def test_a_type_that_msgspec_does_not_decode_is_refused_in_its_words() -> None:
    """Where the definition is made, and not when the first object comes."""
    with pytest.raises(SchemaError, match="msgspec cannot read it: dataclasses with `InitVar`"):
        object_schema_of(Initial)


class TagIsKind(msgspec.Struct, tag="Site", tag_field="kind"):
    metadata: ObjectMeta


class OfPages(msgspec.Struct):
    kind: Literal["Page"]
    metadata: ObjectMeta


class Labelled(msgspec.Struct):
    name: str
    labels: dict[str, str]


class NeedsLabels(msgspec.Struct):
    metadata: Labelled


class Named(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""


class OnlyNamed(msgspec.Struct):
    metadata: Named


@pytest.mark.parametrize(
    ("type_", "said"),
    [
        (OfPages, "its type reads a kind of Page, and its objects have Site"),
        (NeedsLabels, "field metadata: not each object has labels"),
        (OnlyNamed, "field metadata: servers add fields to it"),
    ],
)
def test_a_type_that_could_read_no_object_of_its_kind_is_refused(type_: Any, said: str) -> None:
    """Where the definition is made."""
    with pytest.raises(SchemaError, match=said):
        definition_of(kind_of("Site", type_))


def test_a_tag_may_be_the_kind() -> None:
    """Each object has it; the schema says nothing of it."""
    schema = object_schema_of(TagIsKind)
    assert schema["properties"]["kind"] == {"type": "string"}
    assert "required" not in schema
