"""At the start a manager says where its types and the server's definitions disagree."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from ctrlkit.client import Client
from ctrlkit.crd import definition_of
from ctrlkit.crd.differences import unconverted
from ctrlkit.errors import Forbidden, ServiceUnavailable
from ctrlkit.fakes import FakeClientset
from ctrlkit.manager.definitions import tell_disagreements
from ctrlkit.model import Definition, ObjectMeta, Resource, Unstructured, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS


class Spec(msgspec.Struct, rename="camel"):
    max_size: int = 0


class Site(msgspec.Struct):
    metadata: ObjectMeta
    spec: Spec


class Forgetful(msgspec.Struct):
    max_size: int = 0


class ForgetfulSite(msgspec.Struct):
    metadata: ObjectMeta
    spec: Forgetful


class Slim(msgspec.Struct):
    metadata: ObjectMeta


KIND = custom_resource(group="example.com", kind="Site", plural="sites")
SITES = KIND.of(Site)


async def _told(clientset: FakeClientset, *resources: Resource[Any]) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        await tell_disagreements(Client(clientset), resources)
    return [dict(line) for line in lines]


async def test_each_difference_is_a_line() -> None:
    """A forgotten rename reads the default for ever, and nothing else would say so."""
    clientset = FakeClientset(None, definition_of(SITES))
    (line,) = await _told(clientset, KIND.of(ForgetfulSite))
    assert (line["event"], line["log_level"], line["kind"]) == ("definition_disagrees", "warning", "Site")
    assert line["field"] == "spec.max_size"
    assert "did you mean maxSize?" in line["fact"]


async def test_types_that_agree_and_kinds_without_a_type_say_nothing() -> None:
    """Nor do built-in kinds, and those that another server stands behind; each definition is read once."""
    clientset = FakeClientset(None, definition_of(SITES))
    others = custom_resource(group="other.com", kind="Other", plural="others").of(Slim)
    assert await _told(clientset, SITES, SITES, KIND, KIND.metadata_only(), CONFIG_MAPS.of(Slim), others) == []
    assert [action.name for action in clientset.actions] == ["sites.example.com", "others.other.com"]
    assert KIND.type is Unstructured


@pytest.mark.parametrize(("error", "key"), [(Forbidden("no"), "allow"), (ServiceUnavailable("not now"), "error")])
async def test_what_cannot_be_read_is_told_once(error: Exception, key: str) -> None:
    """With the right that lacks; the program starts all the same."""
    clientset = FakeClientset(None, definition_of(SITES))

    def refuse(_action: object) -> None:
        raise error

    clientset.prepend_reactor("get", CUSTOM_RESOURCE_DEFINITIONS, refuse)
    (line,) = await _told(clientset, SITES)
    assert (line["event"], line["log_level"]) == ("definition_unchecked", "info")
    assert key in line


class Tree(msgspec.Struct):
    metadata: ObjectMeta
    children: list[Tree] = []


async def test_a_type_that_no_schema_can_say_is_told_and_ends_nothing() -> None:
    """It can be decoded all the same."""
    (line,) = await _told(FakeClientset(None, definition_of(SITES)), KIND.of(Tree))
    assert line["event"] == "definition_unchecked"
    assert "contains itself" in line["error"]


class Renamed(msgspec.Struct, rename="camel"):
    limit: int = 0


class RenamedSite(msgspec.Struct):
    metadata: ObjectMeta
    spec: Renamed


async def test_a_field_that_nothing_converts_is_told_once() -> None:
    """A server drops what is written to it, and says nothing; with a webhook there is nothing to tell."""
    stored, shown = Definition(storage=True), Definition(storage=False)
    second = custom_resource(group="example.com", version="v2", kind="Site", plural="sites", definition=stored)
    other = second.of(RenamedSite)
    old = custom_resource(group="example.com", kind="Site", plural="sites", definition=shown).of(Site)
    definition = definition_of(old, other)
    (line,) = await _told(FakeClientset(None, definition), old, other)
    assert (line["version"], line["field"]) == ("v1", "spec.maxSize")
    assert "nothing converts" in line["fact"]
    definition["spec"]["conversion"] = {"strategy": "Webhook"}
    assert not unconverted(definition)
