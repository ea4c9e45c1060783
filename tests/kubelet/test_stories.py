"""
Our kubelet tells the recorded stories as a real one did, but for what `expected_differences.json` lists.

An entry names stories, facts and what was recorded by patterns (`*` stands for anything), and says what differs and
why; one that matches no difference any more fails as well. They stand in docs/deviations.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.kubelet.comparison import Comparison, Fact, compare
from tests.kubelet.play import play
from tests.kubelet.story import names, read

HERE = Path(__file__).parent
EXPECTED: list[dict[str, str]] = json.loads((HERE / "expected_differences.json").read_text())
SHORT = 4
"""Every so manieth story is played by `make test`; `make test-all` plays them all."""


async def _told(name: str) -> Comparison:
    story = read(name)
    return compare(story, await play(story))


def _is_expected(name: str, fact: Fact) -> bool:
    return any(_matches(entry, name, fact) for entry in EXPECTED)


def _matches(entry: Mapping[str, str], name: str, fact: Fact) -> bool:
    stories = entry["stories"].split()
    texts = ((fact.where, entry["fact"]), (fact.recorded, entry.get("recorded", "*")))
    return any(fnmatchcase(name, one) for one in stories) and all(
        fnmatchcase(text, _pattern(one)) for text, one in texts
    )


def _pattern(text: str) -> str:
    """Only `*` is special."""
    return text.replace("[", "[[]")


def _shown(facts: Iterable[Fact]) -> list[str]:
    return [f"{fact.where}: recorded {fact.recorded}, here {fact.here}" for fact in facts]


@pytest.mark.parametrize(
    "name",
    [name if i % SHORT == 0 else pytest.param(name, marks=pytest.mark.long) for i, name in enumerate(names())],
)
async def test_a_pod_goes_its_way_as_with_a_real_kubelet(name: str) -> None:
    """Each distinct status of each pod in its order, and the Events of pods and nodes."""
    different = (await _told(name)).differences
    assert not _shown(fact for fact in different if not _is_expected(name, fact))


@pytest.mark.long
async def test_what_is_expected_to_differ_does_and_the_docs_say_how_much_is_the_same() -> None:
    told = {name: await _told(name) for name in names()}
    differences = [(name, fact) for name, found in told.items() for fact in found.differences]
    for entry in EXPECTED:
        assert any(_matches(entry, *one) for one in differences), f"the same by now: {entry}"
    total = sum(len(found.facts) for found in told.values())
    docs = (HERE.parents[1] / "docs" / "deviations.md").read_text()
    percent = int(100 * (total - len(differences)) / total)
    assert f"more than {percent} % of the facts" in docs


def test_every_expected_difference_stands_in_the_docs_with_its_reason() -> None:
    docs = (HERE.parents[1] / "docs" / "deviations.md").read_text()
    for entry in EXPECTED:
        assert f"| {entry['what']} | {entry['why']} |" in docs
