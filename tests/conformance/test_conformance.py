"""
The embedded API server answers as a real one did, step by step, but for what `expected_differences.json` lists.

It serves the tracker with the loops of a control plane, as the real one had them: no node, so that no pod runs by
itself. A step that is listed and the same after all fails as well. Each listed step stands with its reason in
docs/deviations.md.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.fakes.cluster import ALL
from ctrlkit.fakes.loop import VirtualTimeLoop
from tests.conformance.scenario import read_scenario, replay
from tests.conformance.serving import loops_of, served_as_recorded

HERE = Path(__file__).parent
NAMES = (
    "admission",
    "apply",
    "apply_deep",
    "cel",
    "crd",
    "crd_values",
    "crd_versions",
    "crud",
    "deletion",
    "deletion_deep",
    "deployments",
    "discovery",
    "discovery_deep",
    "list",
    "list_deep",
    "namespace_deletion",
    "nodes",
    "ours_bitcoin_limits",
    "ours_custom_columns",
    "ours_custom_values",
    "ours_custom_versions",
    "ours_definitions",
    "ours_events",
    "ours_policies_kinds",
    "ours_protocol",
    "ours_requests",
    "ours_small_kinds",
    "ours_workloads",
    "patch",
    "patch_deep",
    "pods",
    "policies",
    "protobuf",
    "replicasets",
    "services",
    "small_kinds",
    "statefulsets",
    "storage",
    "subresources",
    "tables",
    "watch",
    "watch_deep",
    "workloads",
)
"""The scenarios that are the same but for what is listed."""

RECORDED = datetime(2026, 11, 29, tzinfo=UTC)
"""The day of the recordings: what requests say that happened, such as the end of a pod, was long ago then."""

LONG = (
    *("jobs", "ours_cel", "ours_daemonsets", "ours_jobs", "ours_pods", "ours_policies", "ours_policy_expressions"),
    *("ours_scheduling", "ours_statefulsets", "ours_storage", "ours_storage_classes"),
)
"""Those that take longer, by the clock or by their number."""

EXPECTED: list[dict[str, Any]] = json.loads((HERE / "expected_differences.json").read_text())


def expected(name: str, *, with_node: bool) -> set[str]:
    """The steps of a scenario that may differ."""
    mine = (one for one in EXPECTED if one["scenario"] == name)
    return {one["step"] for one in mine if with_node or not one.get("only_with_a_node")}


@pytest.mark.behaviour("T10", "B5")
@pytest.mark.parametrize("name", [*NAMES, *(pytest.param(name, marks=pytest.mark.long) for name in LONG)])
async def test_the_answers_are_a_real_servers(name: str) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.set_wall_time_after(RECORDED)
    async with served_as_recorded(loops_of(name)) as url:
        found = await replay(url, read_scenario(name))
    unexpected = {step: lines for step, lines in found.items() if step not in expected(name, with_node=False)}
    assert not unexpected
    same = expected(name, with_node=False) - found.keys()
    assert not same, "these steps are the same now: take them out of the list and the docs"


async def test_a_node_makes_a_difference_to_pods_only() -> None:
    """Which steps differ depends on how far the pods are when they are asked for, so some of the listed may not."""
    async with served_as_recorded(ALL) as url:
        found = await replay(url, read_scenario("workloads"))
    assert found.keys() <= expected("workloads", with_node=True)


def test_every_expected_difference_is_a_step_and_stands_in_the_docs() -> None:
    docs = (HERE.parents[1] / "docs" / "deviations.md").read_text()
    for one in EXPECTED:
        assert one["step"] in {step["name"] for step in read_scenario(one["scenario"])["steps"]}
        assert f"| {one['scenario']} / {one['step']} |" in docs


def test_the_docs_say_how_many_requests_are_replayed_and_answered_the_same() -> None:
    total = sum(len(read_scenario(name)["steps"]) for name in (*NAMES, *LONG))
    different = sum(len(expected(name, with_node=False)) for name in (*NAMES, *LONG))
    docs = (HERE.parents[1] / "docs" / "deviations.md").read_text()
    assert f"The {total:,} requests" in docs
    assert f"answers {total - different:,} of them the same" in docs
