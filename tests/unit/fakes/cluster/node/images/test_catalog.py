"""The declaration of a container's image is found by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from ctrlkit.fakes.cluster.node.images import OTHERS, Catalog, CommandAnswer, Exits, Image, Line, Program, Pull
from ctrlkit.fakes.cluster.node.images.declarations import Reading
from ctrlkit.fakes.cluster.node.programs import AlwaysReady

DIGEST = "sha256:" + "a" * 64


def marked(text: str) -> Image:
    """An image that can be told from others."""
    return Image(refuses=text)


NAMES = ("h.io/shop/web:2", "h.io/shop/web", f"h.io/shop/web@{DIGEST}", "web:2", "web", "web:latest", OTHERS)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("h.io/shop/web:2", "h.io/shop/web:2"),
        ("h.io/shop/web:3", "h.io/shop/web"),
        ("h.io/shop/web", "h.io/shop/web"),
        (f"h.io/shop/web:2@{DIGEST}", f"h.io/shop/web@{DIGEST}"),
        ("web:2", "web:2"),
        ("docker.io/library/web:2", "web:2"),
        ("index.docker.io/library/web:3", "web"),
        ("other.io/x/web:2", "web:2"),
        ("other.io/x/web:9", "web"),
        ("web", "web:latest"),
        ("other.io/x/web", "web:latest"),
        ("db", OTHERS),
    ],
)
def test_the_most_exact_name_counts(image: str, found: str) -> None:
    """The whole one, without tag and digest, the last part of it, and then any."""
    declared = Catalog({name: marked(name) for name in NAMES}).find(image)
    assert declared is not None
    assert declared.refuses == found


def test_names_of_one_image_are_one() -> None:
    """As Docker Hub's short ones."""
    images = Catalog({"web": marked("a")})
    images["docker.io/library/web"] = marked("b")
    assert (len(images), images["index.docker.io/web"].refuses, list(images)) == (1, "b", ["web"])
    assert images.find("web") is not None
    del images["web"]
    assert images.find("web") is None


def test_a_name_with_a_repository_is_not_the_last_part_of_others() -> None:
    """Only a short name is."""
    assert Catalog({"h.io/web": marked("a")}).find("other.io/web") is None


def test_what_can_be_no_image_is_refused() -> None:
    """With the reason, where it is declared."""
    images = Catalog()
    with pytest.raises(ValueError, match=r"declare the image 'Web': invalid reference format: .*; name it as pods do"):
        images["Web"] = Image()
    wrong: Any = 3
    with pytest.raises(TypeError, match="declare the image web: it is of type int; give an Image"):
        images["web"] = wrong


def test_a_function_stands_for_an_image_that_it_makes() -> None:
    """So that own programs are one line."""
    images = Catalog({"web": lambda address, spec: AlwaysReady()})
    assert images["web"].make is not None


@pytest.mark.parametrize(
    "given",
    [
        {"programs": {}, "exits": Exits()},
        {"programs": {}, "probes": False},
        {"entry": "/bin/x"},
        {"make": lambda address, spec: AlwaysReady(), "execs": {}},
        {"make": lambda address, spec: AlwaysReady(), "programs": {}},
    ],
)
def test_fields_that_do_not_go_together_are_refused(given: dict[str, Any]) -> None:
    """A process is no script, and a script no process."""
    with pytest.raises(ValueError, match=r"declare an image: [a-z, ]+ cannot be said here; choose"):
        Image(**given)


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Exits(-1), "code is -1; write an exit code, from 0 to 255"),
        (lambda: Exits(after_s=-1), "after_s is -1; write 0 seconds or more"),
        (lambda: Exits(signal=99), "signal is 99; write a signal"),
        (lambda: Pull(failures=-1), "failures is -1; write how many pulls fail"),
        (lambda: Line("x", every_s=-1), "every_s is -1; write 0 seconds or more"),
        (lambda: Image(exits={0: Exits()}), "the start at which it exits is 0; write the number of one, from 1"),
        (lambda: Image(ports=(0,)), "one of the ports is 0; write a number from 1 to 65535"),
        (lambda: Image(probes=[]), "probes is []; write answers"),
        (lambda: Image(probes={"/a": [True, ..., False]}), "probes is [True, Ellipsis, False]; write answers"),
    ],
)
def test_what_can_mean_nothing_is_refused(declare: Callable[[], object], said: str) -> None:
    """Where it is written, not when a container starts."""
    with pytest.raises(ValueError, match=re.escape(f"declare an image: {said}")):
        declare()


def _said(what: str, value: object, want: str) -> str:
    return f"declare an image: {what}: it is {value!r}; write {want}"


_WHOLE, _TEXT, _LIST, _MAPPING = "a whole number", "a text, in quotation marks", "a list", "a mapping"
_EXITS, _SECONDS = "Exits(...), as Exits(1, after_s=60)", "a number of seconds"
WRONG_VALUES: list[tuple[type, str, Any, tuple[str, object, str]]] = [
    (Image, "pull", "not found", ("pull", "not found", "Pull(...), as Pull(error='not found')")),
    (Image, "refuses", True, ("refuses", True, _TEXT)),
    (Image, "ports", 8080, ("ports", 8080, _LIST)),
    (Image, "ports", ["http"], ("ports[0]", "http", _WHOLE)),
    (Image, "ready_after_s", "20s", ("ready_after_s", "20s", _SECONDS)),
    (Image, "probes", None, ("probes", None, "true, false, an HTTP status or exit code")),
    (Image, "probes", {"/ready": None}, ("probes['/ready']", None, "true, false, an HTTP status or exit code")),
    (Image, "probes", {"/ready": [True, None]}, ("probes['/ready'][1]", None, "true, false, an HTTP status")),
    (Image, "probes", {None: True}, ("a key of probes", None, "a path, a port, or the text of a command")),
    (Image, "logs", "hello", ("logs", "hello", _LIST)),
    (Image, "logs", [1], ("logs[0]", 1, "a text, or Line(...)")),
    (Image, "exits", 1, ("exits", 1, _EXITS)),
    (Image, "exits", {1: 1}, ("exits[1]", 1, _EXITS)),
    (Image, "exits", {"1": Exits(1)}, ("the start at which it exits", "1", _WHOLE)),
    (Image, "stops", 5, ("stops", 5, _EXITS)),
    (Image, "execs", "ls", ("execs", "ls", _MAPPING)),
    (Image, "execs", {"ls": None}, ("execs['ls']", None, "what it writes, an exit code, or CommandAnswer(...)")),
    (Image, "execs", {"ls": True}, ("execs['ls']", True, "what it writes, an exit code, or CommandAnswer(...)")),
    (Image, "execs", {1: "a"}, ("a key of execs", 1, _TEXT)),
    (Image, "shell", 1, ("shell", 1, "true or false")),
    (Image, "command", "sh -c x", ("command", "sh -c x", _LIST)),
    (Image, "pages", ["/"], ("pages", ["/"], _MAPPING)),
    (Image, "access_log", None, ("access_log", None, _TEXT)),
    (Image, "make", "web", ("make", "web", "a function")),
    (Image, "programs", {"/x": "/bin/x"}, ("programs['/x']", "/bin/x", "Program(...)")),
    (Image, "entry", None, ("entry", None, _TEXT)),
    (Image, "settings", {"A": 1}, ("settings['A']", 1, _TEXT)),
    (Image, "files", {"a": b"x"}, ("files['a']", b"x", _TEXT)),
    (Image, "folders", "data", ("folders", "data", _LIST)),
    (Image, "mounts", "data", ("mounts", "data", _MAPPING)),
    (Image, "readings", {"a": "b"}, ("readings['a']", "b", "Reading(...)")),
    (Image, "environment", {"A": 1}, ("environment['A']", 1, _TEXT)),
    (Pull, "takes_s", "1m", ("takes_s", "1m", _SECONDS)),
    (Pull, "error", True, ("error", True, _TEXT)),
    (Pull, "failures", "2", ("failures", "2", _WHOLE)),
    (Pull, "preloaded", "yes", ("preloaded", "yes", "true or false")),
    (Pull, "size_bytes", "1Mi", ("size_bytes", "1Mi", _WHOLE)),
    (Exits, "code", "1", ("code", "1", _WHOLE)),
    (Exits, "after_s", "20s", ("after_s", "20s", _SECONDS)),
    (Exits, "signal", "SIGTERM", ("signal", "SIGTERM", _WHOLE)),
    (Exits, "reason", 1, ("reason", 1, _TEXT)),
    (Exits, "message", 1, ("message", 1, _TEXT)),
    (Line, "text", 1, ("text", 1, _TEXT)),
    (Line, "after_s", None, ("after_s", None, _SECONDS)),
    (Line, "every_s", "1m", ("every_s", "1m", _SECONDS)),
    (CommandAnswer, "output", b"x", ("output", b"x", _TEXT)),
    (CommandAnswer, "error", 1, ("error", 1, _TEXT)),
    (CommandAnswer, "exit_code", "1", ("exit_code", "1", _WHOLE)),
    (CommandAnswer, "takes_s", "1s", ("takes_s", "1s", _SECONDS)),
    (Program, "argv", "/bin/x", ("argv", "/bin/x", _LIST)),
    (Program, "own", [1], ("own[0]", 1, _TEXT)),
    (Program, "where_absent", {"-a": "-b"}, ("where_absent['-a']", "-b", _LIST)),
    (Program, "flags", ["-a"], ("flags", ["-a"], _MAPPING)),
    (Program, "ignored", {"-a": 1}, ("ignored['-a']", 1, _TEXT)),
    (Program, "paths", {"/a": 1}, ("paths['/a']", 1, _TEXT)),
    (Program, "commands", {"a": None}, ("commands['a']", None, _TEXT)),
    (Program, "forks", 1, ("forks", 1, "true or false")),
    (Reading, "name", 1, ("name", 1, _TEXT)),
    (Reading, "translate", "x", ("translate", "x", "a function")),
]
_NEEDED: dict[type, dict[str, Any]] = {
    Line: {"text": "x"},
    Program: {"argv": ("x",)},
    Reading: {"name": "x", "translate": lambda text, place: text},
}


@pytest.mark.parametrize(("declared", "name", "value", "said"), WRONG_VALUES)
def test_a_value_that_a_field_cannot_hold_is_refused(
    declared: type, name: str, value: Any, said: tuple[str, object, str]
) -> None:
    """Where it is made, with the field, what it is and what to write, as in a file."""
    with pytest.raises(ValueError, match=re.escape(_said(*said))):
        declared(**{**_NEEDED.get(declared, {}), name: value})


def test_every_field_refuses_what_it_cannot_hold() -> None:
    """The test above has each one of each class."""
    tried = {(declared, name) for declared, name, _, _ in WRONG_VALUES}
    kinds: tuple[Any, ...] = (Image, Pull, Exits, Line, CommandAnswer, Program, Reading)
    assert tried == {(kind, one.name) for kind in kinds for one in fields(kind)}


def test_what_all_ways_have_in_common_goes_with_each() -> None:
    """Pulls, refusals and ports."""
    pull = Pull(takes_s=3)
    Image(pull=pull, refuses="no", ports=(80,), programs={"/x": Program(argv=("x",))}, entry="/x")
    Image(pull=pull, refuses="no", ports=(80,), make=lambda address, spec: AlwaysReady())
    Image(pull=pull, refuses="no", ports=(80,), exits=Exits())
