"""Who owns the claim of a StatefulSet's pod depends on its policy, and on what else owns it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from ctrlkit.fakes.cluster.loops.statefulset_claims import (
    Retention,
    has_other_controller,
    is_of_earlier_pod,
    owners,
)

Reference = dict[str, Any]


def reference(kind: str, name: str, uid: str, *, controller: bool = True) -> Reference:
    version = "v1" if kind == "Pod" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": controller}


SET, POD = reference("StatefulSet", "db", "s1"), reference("Pod", "db-1", "p1")
OLD_SET, OLD_POD = SET | {"uid": "s0"}, POD | {"uid": "p0"}
OTHER = reference("Database", "x", "d1")
BYSTANDER = reference("Database", "x", "d1", controller=False)
POLICIES = [Retention(when_deleted=a, when_scaled=b) for a, b in itertools.product((False, True), repeat=2)]


@pytest.mark.parametrize("retention", POLICIES)
@pytest.mark.parametrize("is_wanted", [True, False])
@pytest.mark.parametrize("there", [[], [SET], [POD], [SET, POD], [BYSTANDER]], ids=str)
def test_a_claim_goes_with_the_pod_that_is_too_many_or_else_with_the_set(
    retention: Retention, is_wanted: bool, there: list[Reference]
) -> None:
    """What owns it besides, and does not control it, goes on to own it; where all is well nothing is written."""
    owner = None
    if retention.when_scaled and not is_wanted:
        owner = POD
    elif retention.when_deleted:
        owner = SET
    wanted = [one for one in there if one is BYSTANDER] + ([owner] if owner else [])
    found = owners(there, SET, POD, retention, is_wanted=is_wanted)
    assert found == (None if there == wanted else wanted)


@pytest.mark.parametrize("stale", [OLD_SET, OLD_POD], ids=["set", "pod"])
def test_what_an_earlier_set_or_pod_owns_is_left_to_be_collected(stale: Reference) -> None:
    assert owners([stale], SET, POD, Retention(when_deleted=True), is_wanted=True) is None


def test_a_claim_that_something_else_controls_is_given_up() -> None:
    """With a policy: without one nobody minds."""
    retention = Retention(when_deleted=True)
    assert has_other_controller([OTHER], SET, POD, retention)
    assert owners([OTHER], SET, POD, retention, is_wanted=True) is None
    assert owners([OTHER, SET], SET, POD, retention, is_wanted=True) == [OTHER]
    assert not has_other_controller([OTHER], SET, POD, Retention())
    assert not has_other_controller([BYSTANDER, SET, POD], SET, POD, retention)


def test_an_owner_that_does_not_control_is_made_the_controller() -> None:
    weak = SET | {"controller": False}
    assert owners([weak], SET, POD, Retention(when_deleted=True), is_wanted=True) == [SET]


def test_a_claim_of_a_pod_that_is_gone_is_known_by_its_name() -> None:
    assert is_of_earlier_pod([OLD_POD], "db-1")
    assert not is_of_earlier_pod([OLD_POD, SET], "db-2")
