"""`ctrlkit run --apiserver`: which kinds the server is given, and when it is said where it is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from ctrlkit.cli.embedded import installer
from ctrlkit.errors import NotFound
from ctrlkit.fakes import World
from ctrlkit.manager import Manager
from ctrlkit.model import ObjectMeta
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS

KINDS = """
import msgspec
from ctrlkit import Definition, ObjectMeta, custom_resource

class Spec(msgspec.Struct):
    host: str

class Site(msgspec.Struct):
    metadata: ObjectMeta
    spec: Spec

class Page(msgspec.Struct):
    metadata: ObjectMeta
    spec: Spec

SITES = custom_resource(
    group="demo.example.com", kind="Site", plural="sites", definition=Definition(storage=True)
).of(Site)
OLD_SITES = custom_resource(group="demo.example.com", version="v1alpha1", kind="Site", plural="sites").of(Site)
PAGES = custom_resource(group="demo.example.com", kind="Page", plural="pages").of(Page)
"""
PROGRAM = """
from web_kinds import SITES
"""


class Part(msgspec.Struct):
    """As little of a Site as a cache may keep."""

    metadata: ObjectMeta


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A program whose kinds are in another file; it has one of them under its own name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "web_kinds.py").write_text(KINDS)
    (tmp_path / "web_program.py").write_text(PROGRAM)
    yield importlib.import_module("web_program")
    for name in ("web_kinds", "web_program"):
        del sys.modules[name]


async def test_a_kind_has_the_definition_of_its_type_wherever_that_is_defined(
    program: ModuleType, tmp_path: Path, world: World
) -> None:
    """With the versions that are there, also where a part of it is watched; one that nobody uses is not made."""
    manager = Manager(world.client)
    manager.informer(program.SITES.of(Part))
    told = tmp_path / "told"
    await installer(program, kubeconfig="kc", told=told)(world.client, manager)
    sites = await world.client.get(CUSTOM_RESOURCE_DEFINITIONS, "sites.demo.example.com")
    assert {each["name"] for each in sites["spec"]["versions"]} == {"v1", "v1alpha1"}
    for version in sites["spec"]["versions"]:
        assert version["schema"]["openAPIV3Schema"]["properties"]["spec"]["required"] == ["host"]
    with pytest.raises(NotFound):
        await world.client.get(CUSTOM_RESOURCE_DEFINITIONS, "pages.demo.example.com")


async def test_a_kind_that_is_watched_alone_is_made_of_its_type(
    program: ModuleType, tmp_path: Path, world: World
) -> None:
    """As in a package whose parts bring their kinds from its other modules."""
    manager = Manager(world.client)
    manager.informer(sys.modules["web_kinds"].PAGES)
    await installer(program, kubeconfig="kc", told=tmp_path / "told")(world.client, manager)
    pages = await world.client.get(CUSTOM_RESOURCE_DEFINITIONS, "pages.demo.example.com")
    (version,) = pages["spec"]["versions"]
    assert version["schema"]["openAPIV3Schema"]["properties"]["spec"]["required"] == ["host"]


async def test_where_the_kubeconfig_is_is_said_once_and_when_the_kinds_are_served(
    program: ModuleType, tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever types kubectl then finds them; the program that is started again is quiet."""
    told = tmp_path / "told"
    install = installer(program, kubeconfig="/home/you/kc", told=told)(world.client, Manager(world.client))
    assert capsys.readouterr().out == ""
    await install
    assert await world.client.get(CUSTOM_RESOURCE_DEFINITIONS, "sites.demo.example.com")
    assert capsys.readouterr().out == "export KUBECONFIG=/home/you/kc\n"
    await installer(program, kubeconfig="/home/you/kc", told=told)(world.client, Manager(world.client))
    assert capsys.readouterr().out == ""
