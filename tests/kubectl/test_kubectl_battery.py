"""
kubectl says of `ctrlkit apiserver` what it says of a real control plane, but for what `differences.json` lists.

Each entry there is a reason with the command lines that differ for it; those under `may_differ` may be the same too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kubectl.battery import HERE, Case, Outcome, read_battery
from tests.kubectl.comparison import differences
from tests.kubectl.serving import recorded, run_on_ours
from tests.support.kubectl import needs_kubectl

LISTED: list[dict[str, Any]] = json.loads((HERE / "differences.json").read_text())


def named(case: Case) -> str:
    """How a case stands in the list."""
    return f"{case.group}: {case.command}"


def listed(key: str) -> Iterator[str]:
    """The cases that differ (`commands`), or that may differ."""
    for one in LISTED:
        yield from one.get(key, ())


@pytest.mark.long
@pytest.mark.real_time
@pytest.mark.timeout(3600)
@needs_kubectl
def test_kubectl_says_of_our_server_what_it_says_of_a_real_one(tmp_path: Path) -> None:
    cases, found = read_battery().cases, run_on_ours(tmp_path)
    differing = {
        named(cases[number]): lines
        for number, outcome in found.items()
        if (lines := differences(recorded()[number], outcome, is_ordered=not cases[number].unordered))
    }
    unexpected = differing.keys() - {*listed("commands"), *listed("may_differ")}
    assert not {name: differing[name] for name in unexpected}
    same = set(listed("commands")) - differing.keys()
    assert not same, "these are the same now: take them out of the list"


def test_what_is_listed_are_cases_and_all_of_them_were_recorded() -> None:
    cases = read_battery().cases
    assert len(recorded()) == len(cases)
    names = [named(case) for case in cases]
    known = [*listed("commands"), *listed("may_differ")]
    assert len(set(names)) == len(names)
    assert len(set(known)) == len(known)
    assert set(known) <= set(names)
    assert all(one["why"] for one in LISTED)


def test_a_difference_is_told_line_by_line() -> None:
    want = Outcome(output="NAME AGE\na 3m\n", checked="x\n")
    assert differences(want, Outcome(output="NAME   AGE\na      4m2s\n", checked="x\n")) == []
    assert differences(want, Outcome(status=1, output="--- no\n", checked="x\n")) == [
        "exit code 1, want 0",
        "-NAME AGE",
        "-a AGE",
        "+--- no",
    ]
    assert differences(Outcome(output="b\na\n"), Outcome(output="a\nb\n"), is_ordered=False) == []
