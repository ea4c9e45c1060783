"""The CustomResourceDefinition of a kind: what stands in it, and that servers take it with the objects of its type."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from ctrlkit.crd import SchemaError, definition_of, to_yaml
from ctrlkit.errors import Invalid
from ctrlkit.fakes import FakeClientset
from ctrlkit.model import (
    Column,
    Condition,
    Definition,
    ObjectMeta,
    Resource,
    Rule,
    ScaleFields,
    Schema,
    Scope,
    custom_resource,
    to_plain,
)


class Spec(msgspec.Struct, rename="camel"):
    replicas: Annotated[int, Meta(ge=0)] = 1
    image_name: str = "web"


class Status(msgspec.Struct, rename="camel"):
    ready_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Site(msgspec.Struct, kw_only=True):
    """A web site."""

    metadata: ObjectMeta
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)


class OldSite(msgspec.Struct, kw_only=True):
    metadata: ObjectMeta
    spec: dict[str, str] = {}


def site(version: str = "v1", **definition: Any) -> Resource[Any]:
    """A kind with such a definition."""
    return custom_resource(
        group="example.com", version=version, kind="Site", plural="sites", definition=Definition(**definition)
    )


SITES = site(
    short_names=("st",),
    categories=("all",),
    columns=(Column(name="Ready", type="integer", json_path=".status.readyReplicas", priority=1),),
    scale=ScaleFields(spec_replicas=".spec.replicas", status_replicas=".status.readyReplicas"),
    selectable_fields=(".spec.imageName",),
    storage=True,
).of(Site)
OLD_SITES = site("v1alpha1", deprecated="use v1", served=False).of(OldSite)


def test_a_definition_has_names_versions_columns_and_subresources() -> None:
    """Those of the stored version, and of each version its own."""
    definition = definition_of(OLD_SITES, SITES)
    assert definition["metadata"] == {"name": "sites.example.com"}
    spec = definition["spec"]
    assert spec["names"] == {
        "kind": "Site",
        "listKind": "SiteList",
        "plural": "sites",
        "singular": "site",
        "shortNames": ["st"],
        "categories": ["all"],
    }
    old, new = spec["versions"]
    assert (old["name"], old["served"], old["storage"], old["deprecationWarning"]) == (
        "v1alpha1",
        False,
        False,
        "use v1",
    )
    assert "subresources" not in old
    assert (new["name"], new["served"], new["storage"]) == ("v1", True, True)
    assert new["subresources"] == {
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.readyReplicas"},
    }
    assert new["additionalPrinterColumns"] == [
        {"name": "Ready", "type": "integer", "priority": 1, "jsonPath": ".status.readyReplicas"}
    ]
    assert new["selectableFields"] == [{"jsonPath": ".spec.imageName"}]


def test_a_server_takes_the_definition_and_sets_its_defaults() -> None:
    """The defaults of the class are what is read of an object that says nothing."""
    tracker = FakeClientset(None, definition_of(SITES, OLD_SITES)).tracker
    created = tracker.create(SITES, {"metadata": {"name": "a", "namespace": "default"}})
    assert created["spec"] == {"replicas": 1, "imageName": "web"}
    assert "status" not in created
    with pytest.raises(Invalid, match=r"spec\.replicas"):
        tracker.create(SITES, {"metadata": {"name": "b", "namespace": "default"}, "spec": {"replicas": -1}})


def test_text_is_stable_and_reads_back() -> None:
    """The same types give the same text, and the text the same definition."""
    text = to_yaml(definition_of(SITES))
    assert text == to_yaml(definition_of(SITES))
    assert yaml.safe_load(text) == definition_of(SITES)
    assert text.index("group:") < text.index("names:") < text.index("versions:")


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ((), "none is named"),
        ((site(),), "its objects are Unstructured, which names no fields"),
        ((SITES, SITES), "are not all different"),
        ((site().of(Site), site("v2").of(Site)), "none of v1, v2 is stored"),
        ((SITES, site("v2", storage=True).of(Site)), "v1, v2 of v1, v2 is stored"),
        (
            (SITES, custom_resource(group="example.com", kind="Site", plural="sites", scope=Scope.CLUSTER).of(Site)),
            "is another kind",
        ),
    ],
)
def test_versions_that_do_not_belong_together_are_refused(versions: tuple[Any, ...], said: str) -> None:
    """With the fact and the next step."""
    with pytest.raises(SchemaError, match=said):
        definition_of(*versions)


def test_a_group_of_the_kubernetes_project_needs_its_annotation() -> None:
    """A server refuses the definition without."""
    named: dict[str, Any] = {"group": "stable.k8s.io", "kind": "Site", "plural": "sites"}
    with pytest.raises(SchemaError, match="annotation api-approved"):
        definition_of(custom_resource(**named).of(OldSite))
    approved = Definition(annotations={"api-approved.kubernetes.io": "unapproved, for a test"})
    FakeClientset(None, definition_of(custom_resource(**named, definition=approved).of(OldSite)))


def test_how_versions_are_converted_stands_in_the_definition() -> None:
    """As it is given; without it they stay as they are."""
    conversion = {"strategy": "None"}
    assert definition_of(SITES, OLD_SITES, conversion=conversion)["spec"]["conversion"] == conversion
    assert "conversion" not in definition_of(SITES, OLD_SITES)["spec"]


# ---- any type --------------------------------------------------------------------------------------------------------


class Near(msgspec.Struct, tag="near", tag_field="at", forbid_unknown_fields=True):
    steps: Annotated[int, Meta(ge=1)] = 1


class Far(msgspec.Struct, tag="far", tag_field="at"):
    miles: int
    by: Literal["air", "sea"] = "air"


SCALARS = st.sampled_from(
    [
        (str, st.text("abcXYZ 09-_", max_size=8)),
        (int, st.integers(-(2**31), 2**31 - 1)),
        (bool, st.booleans()),
        (Annotated[int, Meta(ge=0, le=9)], st.integers(0, 9)),
        (Annotated[str, Meta(min_length=1, max_length=4)], st.text("ab", min_size=1, max_size=4)),
        (int | str, st.one_of(st.integers(0, 99), st.text("ab", max_size=3))),
        (Annotated[int, Schema(rules=(Rule(rule="self < 5"),))], st.integers(0, 4)),
        (Literal["a", "b"], st.sampled_from(["a", "b"])),
        (Literal["all"] | Annotated[int, Meta(ge=1)], st.integers(1, 9) | st.just("all")),
        (dict[Literal["a", "b"], int], st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 9))),
        (timedelta, st.integers(-(10**6), 10**6).map(lambda count: timedelta(seconds=count / 4))),
        (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=2)),
        (Near | Far, st.builds(Near, st.integers(1, 9)) | st.builds(Far, st.integers(0, 9))),
    ]
)


def _listed(one: tuple[Any, Any]) -> tuple[Any, Any]:
    return list[one[0]], st.lists(one[1], max_size=3)  # type: ignore[valid-type]


def _mapped(one: tuple[Any, Any]) -> tuple[Any, Any]:
    return dict[str, one[0]], st.dictionaries(st.text("abc", min_size=1, max_size=3), one[1], max_size=3)  # type: ignore[valid-type]


@st.composite
def _structs(draw: st.DrawFn, inner: st.SearchStrategy[tuple[Any, Any]]) -> tuple[Any, Any]:
    fields, values = [], {}
    for number, (type_, value) in enumerate(draw(st.lists(inner, min_size=1, max_size=4))):
        name = f"field_{number}"
        is_required = draw(st.booleans())
        fields.append((name, type_) if is_required else (name, type_ | None, None))
        values[name] = value if is_required else st.none() | value
    made = msgspec.defstruct("Made", fields, rename="camel", kw_only=True, omit_defaults=True)
    return made, st.fixed_dictionaries(values).map(lambda given: made(**given))


TYPES = st.recursive(
    SCALARS, lambda inner: st.one_of(inner.map(_listed), inner.map(_mapped), _structs(inner)), max_leaves=6
)


@given(st.data())
def test_for_any_type_a_server_takes_its_definition_and_keeps_its_objects(data: st.DataObject) -> None:
    """What the class writes is stored as it is, and read back as the same value."""
    made, values = data.draw(_structs(TYPES))
    kind = msgspec.defstruct("Thing", [("metadata", ObjectMeta), ("spec", made)])
    things = custom_resource(group="example.com", kind="Thing", plural="things").of(kind)
    value = data.draw(values)
    tracker = FakeClientset(None, definition_of(things)).tracker
    body = {"metadata": {"name": "a", "namespace": "default"}, "spec": to_plain(value)}
    stored = tracker.create(things, body)
    assert msgspec.convert(stored["spec"], made) == value
