"""Objects that do not fit their type: what conversions make of them, and what refusals say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from ctrlkit import Client, Manager, ObjectMeta, Review, conversion, custom_resource, mutating
from ctrlkit.errors import ConfigError
from ctrlkit.fakes import FakeClientset
from ctrlkit.webhooks import Webhooks
from ctrlkit.webhooks.fitting import Fitting
from tests.unit.webhooks.support import admission, ask, conversion_review

Name = Annotated[str, Meta(min_length=1)]


@dataclass(frozen=True)
class Port:
    """One of several, as another library has it."""

    number: Annotated[int, Meta(le=65535)]


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    host_name: Name
    replicas: Annotated[int, Meta(ge=1)] | None = None
    names: tuple[Name, ...] = ()
    ports: list[Port] = []
    labels: dict[str, Name] = {}


class Cache(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: Spec


V1 = custom_resource(group="example.com", kind="Cache", plural="caches").of(Cache)
V2 = custom_resource(group="example.com", version="v2", kind="Cache", plural="caches").of(Cache)
OUTSIDE = {"hostName": "", "replicas": 0, "names": ["a", ""], "ports": [{"number": 99999}], "labels": {"k": ""}}


@conversion(V1, to=V2)
def there(thing: Cache) -> Cache:
    return thing


@conversion(V2, to=V1)
def back(thing: Cache) -> Cache:
    return thing


def cache(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "demo", "labels": {"x": "y"}}
    return {"apiVersion": "example.com/v1", "kind": "Cache", "metadata": metadata, "spec": spec}


async def test_what_is_outside_of_limits_is_converted_as_it_is() -> None:
    """One stored object that a type is too narrow for would otherwise keep all from being listed."""
    response = await ask(Webhooks([there, back]), conversion_review("v2", cache(**OUTSIDE)), "/convert")
    (made,) = response["convertedObjects"]
    assert (made["spec"], made["metadata"]) == (OUTSIDE, cache()["metadata"])


async def test_what_cannot_be_read_is_told_with_all_that_is_wrong() -> None:
    response = await ask(Webhooks([there, back]), conversion_review("v2", cache(replicas="x", names=[""])), "/convert")
    assert response["result"]["message"] == (
        "Cache demo/a to example.com/v2: spec.hostName: is required; spec.replicas: Expected int, got str; "
        "spec.names[0]: Expected str of length >= 1"
    )


async def test_a_refusal_names_kind_object_and_all_fields() -> None:
    """With kind and name in its details kubectl says which object is invalid."""

    @mutating(V1)
    def defaults(_thing: Cache, _review: Review[Cache]) -> None: ...

    status = (await ask(Webhooks([defaults]), admission(cache(**OUTSIDE))))["status"]
    details = status["details"]
    assert (status["code"], details["kind"], details["name"], details["group"]) == (422, "Cache", "a", "example.com")
    assert [cause["field"] for cause in details["causes"]] == [
        "spec.hostName",
        "spec.replicas",
        "spec.names[1]",
        "spec.ports[0].number",
        "spec.labels.k",
    ]
    assert status["message"].startswith("spec.hostName: Expected str of length >= 1; spec.replicas: Expected int >= 1")


class Tagged(msgspec.Struct, tag="one"):
    number: int


@pytest.mark.parametrize(
    ("raw", "type_"),
    [([1], Spec), ({"type": "two", "number": 1}, Tagged), ("x", int | float), (None, Spec), ({"hostName": 5}, Spec)],
)
def test_what_is_no_such_thing_is_not_read(raw: Any, type_: Any) -> None:
    fitting = Fitting(raw, type_, ValueError("Expected something else"))
    assert (fitting.is_readable, len(fitting.causes)) == (False, 1)


async def test_a_manager_whose_versions_do_not_lead_to_each_other_does_not_start() -> None:
    """Wherever it serves its webhooks: the first object of the other version would find it out."""
    manager = Manager(Client(FakeClientset()))
    manager.add_webhook(there)
    with pytest.raises(ConfigError, match="no way leads from v2 to v1"):
        await manager.run()
