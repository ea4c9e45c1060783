"""`ctrlkit crd MODULE[:KIND]`: definitions out of types, checks of files, and what a change would break."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ctrlkit.cli import main
from ctrlkit.crd import checks
from ctrlkit.fakes.definition_checks import refusals

MODULE = """
import msgspec
from ctrlkit.model import Definition, ObjectMeta, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS

class Spec(msgspec.Struct, rename="camel"):
    max_size: int = 3

class Site(msgspec.Struct):
    metadata: ObjectMeta
    spec: Spec

class Page(msgspec.Struct):
    metadata: ObjectMeta

class Map(msgspec.Struct):
    metadata: ObjectMeta

SITES = custom_resource(group="example.com", kind="Site", plural="sites", definition=Definition(storage=True)).of(Site)
OLD = custom_resource(group="example.com", version="v1alpha1", kind="Site", plural="sites").of(Site)
PAGES = custom_resource(group="example.com", kind="Page", plural="pages").of(Page)
MAPS = CONFIG_MAPS.of(Map)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory with a module in it, which is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "web.py").write_text(MODULE)
    twice = "class Slim(msgspec.Struct):\n    metadata: ObjectMeta\n\nSLIM = SITES.of(Slim)\n"
    (tmp_path / "twice.py").write_text(f"{MODULE}\n{twice}")
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_all_kinds_of_a_module_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Those with a type of the program's own; versions of one kind are one definition."""
    assert main(["crd", "web"]) == 0
    sites, pages = yaml.safe_load_all(capsys.readouterr().out)
    assert [one["name"] for one in sites["spec"]["versions"]] == ["v1", "v1alpha1"]
    assert pages["metadata"]["name"] == "pages.example.com"


def test_one_kind_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """By its kind."""
    assert main(["crd", "web:Page"]) == 0
    assert [one["metadata"]["name"] for one in yaml.safe_load_all(capsys.readouterr().out)] == ["pages.example.com"]


def test_a_file_is_checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 and silence where it agrees, 1 and a line for each difference where it does not."""
    main(["crd", "web"])
    text = capsys.readouterr().out
    (folder / "crd.yaml").write_text(text)
    assert main(["crd", "web", "--check", "crd.yaml", "--exact"]) == 0
    assert capsys.readouterr().out == ""
    (folder / "crd.yaml").write_text(text.replace("maxSize", "max_size"))
    assert main(["crd", "web", "--check", "crd.yaml"]) == 1
    (line, *_) = capsys.readouterr().out.splitlines()
    assert line == (
        "sites.example.com v1 spec.maxSize: the class reads it, the definition does not have it; did you mean max_size?"
    )


def test_whoever_reads_a_kind_of_somebody_else_is_told_what_is_read_wrongly_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit that the class does not have refuses objects and makes none unreadable."""
    main(["crd", "web:Site"])
    text = capsys.readouterr().out.replace("default: 3\n", "default: 3\n                maximum: 9\n")
    (folder / "crd.yaml").write_text(text)
    assert main(["crd", "web:Site", "--check", "crd.yaml", "--reader"]) == 0
    assert main(["crd", "web:Site", "--check", "crd.yaml"]) == 1
    assert "v1 spec.maxSize: maximum the class says not limited, the definition 9" in capsys.readouterr().out


OTHERS = """
GATEWAYS = custom_resource(group="gateway.networking.k8s.io", kind="Gateway", plural="gateways").of(Page)
ISSUERS = custom_resource(
    group="cert-manager.io", kind="Issuer", plural="issuers", definition=Definition(owned=False)
).of(Page)
"""


def test_kinds_of_somebody_else_are_left_out_unless_they_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program that reads them has types of them; their definitions come from those who made them."""
    (folder / "reads.py").write_text(MODULE + OTHERS)
    assert main(["crd", "reads"]) == 0
    kinds = [one["spec"]["names"]["kind"] for one in yaml.safe_load_all(capsys.readouterr().out)]
    assert kinds == ["Site", "Page"]
    assert main(["crd", "reads:Issuer"]) == 0
    definition = yaml.safe_load(capsys.readouterr().out)
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = [{"rule": "true"}]
    (folder / "issuers.yaml").write_text(yaml.safe_dump(definition))
    assert main(["crd", "reads:Issuer", "--check", "issuers.yaml"]) == 0
    assert main(["crd", "reads:Gateway"]) == 1
    assert "leave the definition to who made the kind" in capsys.readouterr().err


def test_what_would_break_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against what a cluster printed."""
    main(["crd", "web:Site"])
    old = capsys.readouterr().out.replace("maxSize", "minSize")
    (folder / "old.yaml").write_text(old)
    assert main(["crd", "web:Site", "--against", "old.yaml"]) == 1
    assert "sites.example.com v1 spec.minSize: was a field, is dropped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["crd", "wep"], "there is no module wep"),
        (["crd", "web:Sit"], "its kinds are Site, Page, not Sit; did you mean Site?"),
        (["crd", "ctrlkit.clock"], "the module has no custom kind with a Python type"),
        (["crd", "web", "--check", "none.yaml"], "No such file"),
        (["crd", "web", "--exact"], "--exact belongs to --check"),
        (["crd", "web", "--reader"], "--reader belongs to --check"),
        (["crd", "twice"], "sites.example.com v1 has two types, Site and Slim"),
    ],
)
def test_what_is_not_there_is_told(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line that names what was tried, the fact and the next step."""
    assert main(argv) != 0
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("target", ["nowhere", "web:Sight", "./wab.py", "wab.py", ".", "", ":Site", "os"])
def test_what_is_no_module_with_kinds_is_a_bad_argument(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with status 2 as the help says, a path too."""
    assert main(["crd", target]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"ctrlkit: make the definition of {target}: ")
    assert said.count("\n") == 1


def test_two_types_of_one_kind_are_an_error_of_the_module(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with status 1: nothing is wrong with the argument."""
    (folder / "twice.py").write_text(
        f"{MODULE}AGAIN = custom_resource(group='example.com', kind='Page', plural='pages').of(Map)\n"
    )
    assert main(["crd", "twice"]) == 1
    assert "pages.example.com v1 has two types, Page and Map; leave" in capsys.readouterr().err


REFUSED = """
from typing import Annotated
import msgspec
from msgspec import Meta
from ctrlkit.model import ObjectMeta, Rule, Schema, custom_resource

class Site(msgspec.Struct):
    metadata: ObjectMeta
    size: FIELD

SITES = custom_resource(group="example.com", kind="Site", plural="sites").of(Site)
"""


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("Annotated[int, Meta(ge=1)] = 0", "properties[size].default: Invalid value: 0"),
        ("Annotated[str, Schema(rules=(Rule(rule='self.size( > 3'),))]", "Syntax error"),
        ("Annotated[str, Schema(rules=(Rule(rule='self > 3'),))]", "found no matching overload"),
        ("Annotated[str, Meta(pattern='^(?=a)')]", "must be a valid regular expression"),
    ],
)
def test_what_a_server_refuses_of_a_definition_is_refused_where_it_is_made(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, field: str, said: str
) -> None:
    """A default beyond its limits, a rule that is no CEL, in the server's words."""
    monkeypatch.setattr(checks, "entry_points", lambda group: [Point()])
    (folder / "bad.py").write_text(REFUSED.replace("FIELD", field))
    assert main(["crd", "bad"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("ctrlkit: define sites.example.com: a server refuses it: ")
    assert said in told.err
    assert told.err.count("\n") == 1


class Point:
    """The entry point of the fakes, as it is installed with them."""

    def load(self) -> checks.Check:
        return refusals


def test_functions_that_convert_are_a_conversion(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Types know of none; a module whose versions lead to each other has not lost it."""
    main(["crd", "web:Site"])
    old = yaml.safe_load(capsys.readouterr().out)
    old["spec"]["conversion"] = {"strategy": "Webhook"}
    (folder / "old.yaml").write_text(yaml.safe_dump(old))
    assert main(["crd", "web:Site", "--against", "old.yaml"]) == 1
    assert "conversion: was Webhook, is None" in capsys.readouterr().out
    convert = "from ctrlkit import conversion\n@conversion(OLD, to=SITES)\ndef up(old: Site) -> Site:\n    return old\n"
    (folder / "converts.py").write_text(f"{MODULE}\n{convert}")
    assert main(["crd", "converts:Site", "--against", "old.yaml"]) == 0
