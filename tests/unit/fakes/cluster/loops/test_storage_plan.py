"""Volumes and claims find each other, and no volume is given to two."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.loops.storage_plan import (
    Bind,
    ChooseClass,
    Claim,
    Class,
    Holder,
    LookAtClaim,
    Lose,
    Phase,
    Provision,
    Reclaim,
    Release,
    SetPhase,
    Surroundings,
    Unbind,
    Volume,
    Wait,
    find_match,
    mismatch,
    plan_claim,
    plan_volume,
)
from ctrlkit.model import LabelSelector, ObjectKey

KEY = ObjectKey("demo", "data")
CLAIM = Claim(key=KEY, uid="1", request=Decimal(2), class_name="slow")
VOLUME = Volume(name="v", size=Decimal(2), class_name="slow")
HELD = replace(VOLUME, holder=Holder(KEY, "1"), phase=Phase.BOUND)
MANY = frozenset({"ReadWriteOnce", "ReadWriteMany"})


@pytest.mark.parametrize(
    "other",
    [
        replace(VOLUME, size=Decimal(1)),
        replace(VOLUME, class_name="fast"),
        replace(VOLUME, volume_mode="Block"),
        replace(VOLUME, modes=frozenset({"ReadOnlyMany"})),
        replace(VOLUME, attributes_class="gold"),
        replace(VOLUME, phase=Phase.RELEASED),
        replace(VOLUME, is_deleting=True),
        replace(VOLUME, holder=Holder(ObjectKey("demo", "other"))),
        replace(VOLUME, holder=Holder(KEY, "2")),
    ],
    ids=["small", "class", "mode", "access", "attributes", "phase", "deleting", "reserved", "of a former claim"],
)
def test_a_volume_that_does_not_fit_is_not_taken(other: Volume) -> None:
    assert find_match(CLAIM, [other]) is None
    assert find_match(CLAIM, [other, VOLUME]) == VOLUME


def test_the_smallest_with_the_fewest_modes_is_taken() -> None:
    large, shared = replace(VOLUME, name="a", size=Decimal(9)), replace(VOLUME, name="b", modes=MANY)
    assert find_match(CLAIM, [shared, large]) == large
    assert find_match(CLAIM, [shared, large, VOLUME]) == VOLUME
    assert find_match(replace(CLAIM, modes=MANY), [large, shared]) == shared


def test_a_volume_kept_for_a_claim_comes_before_smaller_ones_whatever_its_class_and_labels() -> None:
    kept = replace(VOLUME, name="z", size=Decimal(9), class_name="odd", holder=Holder(KEY))
    picky = replace(CLAIM, selector=LabelSelector.parse("tier=gold"))
    assert find_match(picky, [VOLUME, kept]) == kept
    assert find_match(picky, [VOLUME, kept], waits=True) == kept


def test_a_selector_selects_and_a_class_that_waits_leaves_the_choice_to_the_scheduler() -> None:
    gold = replace(VOLUME, name="z", size=Decimal(9), labels={"tier": "gold"})
    assert find_match(replace(CLAIM, selector=LabelSelector.parse("tier=gold")), [VOLUME, gold]) == gold
    assert find_match(CLAIM, [VOLUME], waits=True) is None


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        (replace(VOLUME, is_deleting=True), 'the volume is marked for deletion "v"'),
        (replace(VOLUME, size=Decimal(1), class_name="x"), "requested PV is too small"),
        (replace(VOLUME, class_name="x"), "storageClassName does not match"),
        (replace(VOLUME, attributes_class="x"), "volumeAttributesClassName does not match"),
        (replace(VOLUME, volume_mode="Block", modes=frozenset()), "incompatible volumeMode"),
        (replace(VOLUME, modes=frozenset()), "incompatible accessMode"),
        (replace(VOLUME, phase=Phase.PENDING), ""),
    ],
)
def test_what_keeps_a_claim_from_the_volume_that_it_names_is_told(volume: Volume, text: str) -> None:
    assert mismatch(CLAIM, volume) == text
    step = plan_claim(replace(CLAIM, volume_name="v"), Surroundings(named=volume))
    assert step == Bind("v") if not text else isinstance(step, Wait) and step.notice is not None


def test_a_claim_that_names_a_volume_waits_for_it_or_for_its_release() -> None:
    named = replace(CLAIM, volume_name="v")
    assert plan_claim(named, Surroundings()) == Wait()
    other = replace(VOLUME, holder=Holder(ObjectKey("demo", "other"), "7"))
    step = plan_claim(named, Surroundings(named=other))
    assert isinstance(step, Wait)
    assert step.notice is not None
    assert step.notice.text == 'volume "v" already bound to a different claim.'
    assert plan_claim(named, Surroundings(named=replace(VOLUME, holder=Holder(KEY)))) == Bind("v")


@pytest.mark.parametrize(
    ("name", "volume", "reason"),
    [
        ("", None, "ClaimLost"),
        ("v", None, "ClaimLost"),
        ("v", replace(HELD, holder=Holder(KEY, "2")), "ClaimMisbound"),
    ],
)
def test_a_bound_claim_without_its_volume_is_lost(name: str, volume: Volume | None, reason: str) -> None:
    step = plan_claim(replace(CLAIM, is_bound=True, volume_name=name), Surroundings(named=volume))
    assert isinstance(step, Lose)
    assert step.notice.reason == reason


@pytest.mark.parametrize("volume", [HELD, VOLUME])
def test_a_bound_claim_binds_its_volume_again(volume: Volume) -> None:
    bound = replace(CLAIM, is_bound=True, volume_name="v")
    assert plan_claim(bound, Surroundings(named=volume)) == Bind("v")


def test_a_claim_without_a_class_gets_the_default_one_unless_a_volume_is_there() -> None:
    plain = replace(CLAIM, class_name=None)
    assert plan_claim(plain, Surroundings(default_class="standard")) == ChooseClass("standard")
    free = replace(VOLUME, class_name="")
    assert plan_claim(plain, Surroundings(default_class="standard", candidates=[free])) == Bind("v")
    step = plan_claim(replace(CLAIM, class_name=""), Surroundings(default_class="standard"))
    assert isinstance(step, Wait)
    assert step.notice is not None
    assert step.notice.reason == "FailedBinding"


@pytest.mark.parametrize(
    ("provisioner", "noted", "text"),
    [
        ("example.com/x", "example.com/x", "external provisioner 'example.com/x'"),
        ("kubernetes.io/aws-ebs", "ebs.csi.aws.com", "external provisioner 'ebs.csi.aws.com'"),
        ("kubernetes.io/no-provisioner", "", "no volume plugin matched name: kubernetes.io/no-provisioner"),
        (
            "kubernetes.io/host-path",
            "kubernetes.io/host-path",
            'in volume plugin "kubernetes.io/host-path" is disabled',
        ),
    ],
)
def test_provisioners_are_noted_as_a_real_controller_does(provisioner: str, noted: str, text: str) -> None:
    step = plan_claim(CLAIM, Surroundings(storage_class=Class(name="slow", provisioner=provisioner)))
    assert isinstance(step, Provision)
    assert step.provisioner == noted
    assert text in step.notice.text


def test_a_claim_waits_for_its_first_pod_to_be_scheduled() -> None:
    waiting = Class(name="slow", provisioner="example.com/x", waits=True)
    reasons = []
    for pods in ((), ("a",), ("a", "b")):
        step = plan_claim(CLAIM, Surroundings(storage_class=waiting, candidates=[VOLUME], pods=pods))
        assert isinstance(step, Wait)
        assert step.notice is not None
        reasons.append((step.notice.reason, step.notice.text))
    assert reasons == [
        ("WaitForFirstConsumer", "waiting for first consumer to be created before binding"),
        ("WaitForPodScheduled", "waiting for pod a to be scheduled"),
        ("WaitForPodScheduled", "waiting for pods a,b to be scheduled"),
    ]
    step = plan_claim(replace(CLAIM, has_node=True), Surroundings(storage_class=waiting, candidates=[VOLUME]))
    assert isinstance(step, Provision)


def test_a_volume_is_available_until_a_claim_has_it() -> None:
    assert plan_volume(VOLUME, None) == SetPhase(Phase.AVAILABLE)
    assert plan_volume(replace(VOLUME, holder=Holder(KEY)), None) == SetPhase(Phase.AVAILABLE)
    assert plan_volume(HELD, replace(CLAIM, volume_name="v")) == SetPhase(Phase.BOUND)
    assert plan_volume(HELD, CLAIM) == LookAtClaim()


def test_a_volume_whose_mode_is_not_that_of_its_claim_is_told_of_on_both() -> None:
    step = plan_volume(replace(HELD, volume_mode="Block"), CLAIM)
    assert isinstance(step, LookAtClaim)
    assert step.of_volume is not None
    assert step.of_claim is not None
    assert (step.of_volume.reason, step.of_claim.reason) == ("VolumeMismatch", "VolumeMismatch")


def test_a_volume_whose_claim_took_another_is_free_again_or_goes_if_it_was_made_for_it() -> None:
    elsewhere = replace(CLAIM, volume_name="w")
    assert plan_volume(HELD, elsewhere) == Unbind()
    made = replace(HELD, provisioned_by="example.com/x", policy="Delete")
    assert plan_volume(made, elsewhere) == Release()


@pytest.mark.parametrize("claim", [None, replace(CLAIM, uid="2")], ids=["gone", "another of the name"])
@pytest.mark.parametrize(
    ("volume", "reclaim", "failure"),
    [
        (HELD, Reclaim.NOTHING, ""),
        (replace(HELD, policy="Recycle", source="nfs"), Reclaim.FREE, ""),
        (replace(HELD, policy="Recycle", source="csi"), Reclaim.NOTHING, "No recycler plugin found for the volume!"),
        (replace(HELD, policy="Delete", source="hostPath", host_path="/tmp/x"), Reclaim.DELETE, ""),
        (
            replace(HELD, policy="Delete", source="hostPath", host_path="/mnt/x"),
            Reclaim.NOTHING,
            "host_path deleter only supports /tmp/.+ but received provided /mnt/x",
        ),
        (
            replace(HELD, policy="Delete", source="nfs"),
            Reclaim.NOTHING,
            'error getting deleter volume plugin for volume "v": no deletable volume plugin matched',
        ),
        (replace(HELD, policy="Delete", source="csi"), Reclaim.NOTHING, ""),
        (replace(HELD, policy="Delete", source="hostPath", provisioned_by="example.com/x"), Reclaim.NOTHING, ""),
    ],
)
def test_a_volume_without_its_claim_is_reclaimed(
    volume: Volume, reclaim: Reclaim, failure: str, claim: Claim | None
) -> None:
    step = plan_volume(volume, claim)
    assert isinstance(step, Release)
    assert step.reclaim is reclaim
    assert (step.failure.text if step.failure is not None else "") == failure


# ---- for any volumes and claims --------------------------------------------------------------------------------------

MODES = st.frozensets(st.sampled_from(["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]), min_size=1)
SIZES = st.integers(1, 4).map(Decimal)
CLASSES = st.sampled_from(["", "slow"])
LABELS = st.sampled_from([{}, {"tier": "gold"}])
NAMES = st.sampled_from(["a", "b", "c", "d"])


@st.composite
def volumes(draw: st.DrawFn) -> list[Volume]:
    """Free volumes, and some that are reserved for a name."""
    return [
        Volume(
            name=f"v{number}",
            size=draw(SIZES),
            modes=draw(MODES),
            class_name=draw(CLASSES),
            labels=draw(LABELS),
            volume_mode=draw(st.sampled_from(["Filesystem", "Block"])),
            holder=draw(st.none() | NAMES.map(lambda name: Holder(ObjectKey("demo", name)))),
        )
        for number in range(draw(st.integers(0, 6)))
    ]


@st.composite
def claims(draw: st.DrawFn) -> list[Claim]:
    """Claims that are not bound; some name a volume."""
    return [
        Claim(
            key=ObjectKey("demo", name),
            uid=name,
            request=draw(SIZES),
            modes=draw(MODES),
            class_name=draw(CLASSES),
            selector=draw(st.none() | st.just(LabelSelector.parse("tier=gold"))),
            volume_name=draw(st.sampled_from(["", "", "v0", "v1", "v9"])),
        )
        for name in draw(st.lists(NAMES, unique=True))
    ]


@given(volumes(), claims(), st.data())
def test_no_volume_is_given_to_two_claims_and_each_bound_claim_gets_what_it_asks_for(
    there: list[Volume], asking: list[Claim], data: st.DataObject
) -> None:
    """For any volumes and claims, in any order in which the claims are looked at, some of them twice."""
    by_name = {one.name: one for one in there}
    bound: dict[str, str] = {}
    for claim in data.draw(st.permutations([*asking, *asking])):
        now = replace(claim, is_bound=claim.uid in bound, volume_name=bound.get(claim.uid, claim.volume_name))
        around = Surroundings(named=by_name.get(now.volume_name), candidates=by_name.values())
        step = plan_claim(now, around)
        if not isinstance(step, Bind):
            assert claim.uid not in bound
            continue
        volume = by_name[step.volume]
        assert volume.holder is None or volume.is_kept_for(claim)
        was_reserved = volume.holder is not None
        by_name[volume.name] = replace(volume, holder=Holder(claim.key, claim.uid), phase=Phase.BOUND)
        bound[claim.uid] = volume.name
        if claim.volume_name and was_reserved:
            continue  # both sides were bound by hand: nobody compares them
        assert volume.size >= claim.request
        assert volume.modes >= claim.modes
        assert volume.volume_mode == claim.volume_mode
    assert len(set(bound.values())) == len(bound)
