"""The declaration of a container's image is found by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ctrlkit.fakes.cluster.node.images import OTHERS, Catalog, Exits, Image, Line, Program, Pull
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
    "fields",
    [
        {"programs": {}, "exits": Exits()},
        {"programs": {}, "probes": False},
        {"entry": "/bin/x"},
        {"make": lambda address, spec: AlwaysReady(), "execs": {}},
        {"make": lambda address, spec: AlwaysReady(), "programs": {}},
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields: dict[str, Any]) -> None:
    """A process is no script, and a script no process."""
    with pytest.raises(ValueError, match=r"declare an image: [a-z, ]+ cannot be said here; choose"):
        Image(**fields)


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


def test_what_all_ways_have_in_common_goes_with_each() -> None:
    """Pulls, refusals and ports."""
    pull = Pull(takes_s=3)
    Image(pull=pull, refuses="no", ports=(80,), programs={"/x": Program(argv=("x",))}, entry="/x")
    Image(pull=pull, refuses="no", ports=(80,), make=lambda address, spec: AlwaysReady())
    Image(pull=pull, refuses="no", ports=(80,), exits=Exits())
