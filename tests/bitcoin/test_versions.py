"""What the nodes of a group are made of, which image that is, and which chains cannot go back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.network import Configuration, Group, NodeOptions, Resources, Spec, Storage
from ctrlkit.bitcoin.versions import (
    BARRIERS,
    DEFAULT_IMAGE,
    chosen_image,
    has_newer_default,
    image_of,
    newest_of,
    number_of,
    options_of,
    refused_change,
    version_of,
)

SPEC = Spec(nodes=2)
CORE_29, CORE_27, SV = "/Satoshi:29.1.0/", "/Satoshi:27.2.0/", "/Bitcoin SV:1.0.11/"
SV_IMAGE = "bitcoinsv/bitcoin-sv:1.0.11"


def test_what_a_group_says_takes_the_place_of_what_the_network_says() -> None:
    """Field by field, of the configuration as well; resources go together, since a limit belongs to its request."""
    group = Group(
        name="old",
        nodes=1,
        resources=Resources(limits={"memory": "1Gi"}),
        configuration=Configuration(dbcache_mib=100, extra=["debug=net"]),
    )
    spec = Spec(
        nodes=1,
        groups=[group],
        node_selector={"disk": "ssd"},
        resources=Resources(requests={"memory": "2Gi"}),
        configuration=Configuration(dbcache_mib=450, txindex=True, extra=["debug=rpc"]),
    )
    options = options_of(spec, "old")
    assert options.node_selector == {"disk": "ssd"}
    assert options.resources == Resources(limits={"memory": "1Gi"})
    assert options.configuration == Configuration(dbcache_mib=100, txindex=True, extra=["debug=net", "debug=rpc"])
    assert options_of(spec).configuration == spec.configuration


@pytest.mark.parametrize("said", [{"version": "27.2"}, {"image": "other:1"}])
def test_image_and_version_are_one(said: dict[str, str]) -> None:
    """A version of the network says nothing about the image of a group, and the other way round."""
    spec = Spec(nodes=1, image="mine:1", version="29.1", groups=[Group(name="old", nodes=1, **said)])  # type: ignore[arg-type]
    options = options_of(spec, "old")
    assert {"image": options.image, "version": options.version} == {"image": None, "version": None} | said


def test_an_image_that_runs_stays_where_the_spec_names_none() -> None:
    """A new controller with another default changes no network, and says that there is a newer one."""
    running = image_of("28.4")
    assert chosen_image(NodeOptions(), running) == running
    assert has_newer_default(NodeOptions(), running)
    assert chosen_image(NodeOptions(), None) == DEFAULT_IMAGE
    assert not has_newer_default(NodeOptions(), DEFAULT_IMAGE)
    assert not has_newer_default(NodeOptions(version="28.4"), running)


def test_an_image_that_is_named_counts_more_than_a_version() -> None:
    """The version says what the image holds."""
    assert chosen_image(NodeOptions(image="mine:1", version="29.1"), None) == "mine:1"
    assert chosen_image(NodeOptions(version="29.1"), "mine:1") == image_of("29.1")


@given(st.integers(9, 21) | st.integers(22, 99), st.integers(0, 99), st.integers(0, 99))
def test_for_any_version_its_number_is_read_back(major: int, minor: int, build: int) -> None:
    """29.1 is 290100 and 0.21.1 is 210100, as nodes of Bitcoin Core say it."""
    number = major * 10_000 + minor * 100 + build
    assert number_of(version_of(number)) == number


def refused(image: str, *agents: str, version: str | None = None, spec: Spec = SPEC) -> str:
    return refused_change(spec, NodeOptions(version=version), image, agents)


@pytest.mark.parametrize("barrier", BARRIERS, ids=lambda barrier: version_of(barrier.version))
def test_a_chain_does_not_go_back_across_a_barrier(barrier: object) -> None:
    """From it to the version before it; to it from a later one, it does."""
    version = BARRIERS[BARRIERS.index(barrier)].version
    here, before = version_of(version), version_of(version - 100 if version % 10_000 else version - 10_000)
    assert f"no version below {here} reads" in refused(image_of(before), f"/Satoshi:{here}/")
    assert not refused(image_of(here), "/Satoshi:31.0.0/") or version < 280000
    assert not refused(image_of(here), f"/Satoshi:{before}/")


def test_a_downgrade_is_refused_by_the_newest_node_and_with_a_way_out() -> None:
    """In a group in the middle of an upgrade some nodes have written already; others of the network take the chain."""
    why = refused(image_of("27.2"), CORE_27, CORE_29)
    assert "version 29.1" in why
    assert "add a group of nodes with docker.io/bitcoin/bitcoin:27.2" in why
    assert not refused(image_of("28.0"), CORE_29)


@pytest.mark.parametrize(
    ("image", "version"),
    [("mine/bitcoin:27.2", None), ("mine/bitcoin:v27.2-alpine", None), ("mine/node@sha256:00", "27.2")],
)
def test_the_version_is_what_the_spec_says_and_else_the_tag(image: str, version: str | None) -> None:
    """So one who uses an image by its digest says the version beside it."""
    assert refused(image, CORE_29, version=version)


@pytest.mark.parametrize("image", ["mine/bitcoin@sha256:00", "mine/bitcoin:latest", "mine/node:1.0", "bitcoin:v1.0"])
def test_what_is_not_known_is_let_through(image: str) -> None:
    """The rollout changes one node and waits for it."""
    assert not refused(image, CORE_29, SV)


def test_chains_do_not_go_from_one_program_to_another() -> None:
    """Bitcoin SV and Bitcoin Core keep what the other does not read."""
    assert refused(image_of("29.1"), SV).startswith("Bitcoin Core does not read what Bitcoin SV wrote")
    assert refused(SV_IMAGE, CORE_29).startswith("Bitcoin SV does not read what Bitcoin Core wrote")
    assert not refused(SV_IMAGE, SV)
    assert not refused(image_of("29.1"), "/Simulated:0.1.0/", "")


def test_one_node_that_calls_itself_another_program_keeps_no_image_from_the_others() -> None:
    """Most nodes of a group say what wrote its chains."""
    assert not refused(image_of("30.2"), CORE_29, CORE_29, SV)
    assert not refused(SV_IMAGE, SV, CORE_29, SV)
    assert (newest_of([SV, CORE_29, SV]), newest_of([CORE_27, SV, CORE_29])) == (SV, CORE_29)
    assert refused(image_of("30.2"), SV, SV, CORE_29).startswith("Bitcoin Core does not read what Bitcoin SV wrote")


def test_nothing_is_refused_for_nodes_whose_chains_go_with_their_pods() -> None:
    """They take the chain from the others."""
    assert not refused(image_of("27.2"), CORE_29, SV, spec=Spec(nodes=2, storage=Storage(ephemeral=True)))
