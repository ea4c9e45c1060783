"""The addresses of Services: of which ranges they are, which are left to those who ask, and when none is left."""

from __future__ import annotations

from typing import Any

import pytest

from ctrlkit.errors import InternalError, Invalid
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.furniture import furnish
from ctrlkit.model.kinds import SERVICE_CIDRS, SERVICES


def make(tracker: Tracker, name: str, **spec: Any) -> str:
    """Make a Service; returns its address."""
    body = {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}
    return str(tracker.create(SERVICES, body).at("spec.clusterIP"))


def serve_range(tracker: Tracker, name: str, *ranges: str) -> None:
    """Make a ServiceCIDR."""
    tracker.create(SERVICE_CIDRS, {"metadata": {"name": name}, "spec": {"cidrs": list(ranges)}})


@pytest.mark.parametrize("furnished", [True, False])
def test_the_range_is_that_of_kubeadm_with_its_first_addresses_left_to_who_asks(*, furnished: bool) -> None:
    """So the address of a cluster's DNS is free, however many Services there were before."""
    tracker = Tracker()
    if furnished:
        furnish(tracker)
        assert tracker.get(SERVICE_CIDRS, "kubernetes").at("spec.cidrs") == ["10.96.0.0/12"]
    assert [make(tracker, "a"), make(tracker, "b")] == ["10.96.1.0", "10.96.1.1"]
    assert make(tracker, "dns", clusterIP="10.96.0.10") == "10.96.0.10"
    with pytest.raises(Invalid, match="the provided network does not match the current range"):
        make(tracker, "c", clusterIP="10.0.0.7")


def test_ranges_are_those_of_the_objects_that_there_are() -> None:
    """Of IPv4 alone, as all services here; one that is added is used as well."""
    tracker = Tracker()
    serve_range(tracker, "kubernetes", "10.0.0.0/24", "fd00::/112")
    assert make(tracker, "a") == "10.0.0.16"
    serve_range(tracker, "more", "172.16.0.0/28")
    assert make(tracker, "b", clusterIP="172.16.0.3") == "172.16.0.3"


def test_an_address_is_free_again_when_its_service_is_gone_and_a_full_range_says_so() -> None:
    """The first ones, of a range that is large enough to leave any, are given last."""
    tracker = Tracker()
    serve_range(tracker, "kubernetes", "10.0.0.0/27")
    given = [make(tracker, f"s{number}") for number in range(30)]
    assert given == [f"10.0.0.{number}" for number in (*range(16, 31), *range(1, 16))]
    with pytest.raises(InternalError, match='failed to allocate a serviceIP for Service "more": range is full'):
        make(tracker, "more")
    tracker.delete(SERVICES, "default/s1")
    assert make(tracker, "more") == "10.0.0.17"
