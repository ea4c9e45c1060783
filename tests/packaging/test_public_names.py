"""What is public is written down, and what is written down is there."""

from __future__ import annotations

import importlib

from tests.packaging.public_names import public_names, text
from tests.support.production import ROOT


def test_the_list_of_public_names_is_what_the_code_has() -> None:
    """Who adds or removes one says so there: `python -m tests.packaging.public_names > docs/public-names.txt`."""
    written = (ROOT / "docs" / "public-names.txt").read_text(encoding="utf-8")
    assert written.splitlines() == text().splitlines()


def test_every_public_name_is_there_and_says_what_it_is() -> None:
    """Each can be imported from where the list has it; a class or a function has a docstring."""
    for dotted in public_names():
        home, _, name = dotted.rpartition(".")
        found = getattr(importlib.import_module(home), name)
        if isinstance(found, type) or (callable(found) and hasattr(found, "__code__")):
            assert found.__doc__, f"{dotted} has no docstring"
