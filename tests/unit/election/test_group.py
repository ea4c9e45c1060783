"""The Leases of a group have names that Kubernetes takes, and a list of them reads as it was written."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrlkit.election.group import GROUP_LABEL, Group, Role
from ctrlkit.errors import ConfigError
from ctrlkit.model import LabelSelector, ObjectKey, Unstructured

GROUP = Group("net", "demo", 4)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@given(identity=st.text(min_size=1, max_size=300))
@example(identity="node-7.example.com_0b6b4c3e-5f0e-4f57-a3e2-7d9a3c5b7d11")
@example(identity="...")
@example(identity="-")
def test_for_any_identity_the_lease_of_a_member_has_a_valid_name(identity: str) -> None:
    """A DNS subdomain of at most 253 characters."""
    key = Group("a" * 63, "demo", 1).of_member(identity)
    assert SUBDOMAIN.fullmatch(key.name)
    assert len(key.name) <= 253
    assert key.namespace == "demo"


@given(identities=st.sets(st.text(min_size=1, max_size=130), min_size=2, max_size=20))
@example(identities={"web_0", "web-0", "WEB-0", "web.0"})
def test_members_have_names_of_their_own(identities: set[str]) -> None:
    """Bending does not make two of them one."""
    assert len({GROUP.of_member(identity) for identity in identities}) == len(identities)


@pytest.mark.parametrize("name", ["", "Net", "net_1", "-net", "net-", "net.demo", "a" * 64, "nét"])
def test_a_name_that_labels_or_leases_do_not_take_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="want a name of lower-case letters"):
        Group(name, "demo", 4)


def test_no_namespace_and_no_shards_are_refused() -> None:
    with pytest.raises(ValueError, match="the namespace of its Leases must not be empty"):
        Group("net", "", 4)
    with pytest.raises(ValueError, match="shards must be at least 1, got 0"):
        Group("net", "demo", 0)


def test_one_selector_finds_all_of_a_group_and_nothing_of_another() -> None:
    selector = LabelSelector.parse(GROUP.selector)
    assert all(selector.matches(GROUP.labels(role)) for role in Role)
    assert selector.matches(GROUP.lease()["metadata"]["labels"])
    assert not any(selector.matches(Group("net-2", "demo", 4).labels(role)) for role in Role)
    assert not selector.matches({})


def test_a_list_reads_as_members_and_shards() -> None:
    """By role for members, whose names are anybody's; by name for shards. All else is passed over."""
    leases = [
        lease("net-shards", Role.GROUP),
        lease("net-shard-3", Role.SHARD, holder="a"),
        lease("net-shard-4", Role.SHARD, holder="a"),  # of a group of more shards, once upon a time
        lease("net-member-a", Role.MEMBER, holder="a", duration=20),
        lease("net-member-b", Role.MEMBER),
        lease("stranger", None, holder="x"),
    ]
    sight = GROUP.read(leases, lasts_s=15.0)
    assert list(sight.shards) == [3]
    assert [(member.lease, member.identity, member.version, member.lasts_s) for member in sight.members] == [
        (ObjectKey("demo", "net-member-a"), "a", "7", 20),
        (ObjectKey("demo", "net-member-b"), "", "7", 15.0),
    ]


@pytest.mark.parametrize("annotations", [{"ctrlkit.dev/shards": "8"}, {}, None])
def test_a_group_of_another_number_of_shards_is_not_joined(annotations: dict[str, str] | None) -> None:
    """Keys would belong to two shards at once."""
    found = Unstructured({"metadata": {"name": "net-shards", "namespace": "demo", "annotations": annotations}})
    with pytest.raises(ConfigError, match=r"join the group net with 4 shards: it has .* \[Lease demo/net-shards\]"):
        GROUP.check(found)
    GROUP.check(Unstructured(GROUP.lease()))


def lease(name: str, role: Role | None, *, holder: str = "", duration: int | None = None) -> Unstructured:
    labels = {GROUP_LABEL: "net"} | ({} if role is None else GROUP.labels(role))
    metadata = {"name": name, "namespace": "demo", "uid": f"u-{name}", "resourceVersion": "7", "labels": labels}
    return Unstructured({"metadata": metadata, "spec": {"holderIdentity": holder, "leaseDurationSeconds": duration}})
