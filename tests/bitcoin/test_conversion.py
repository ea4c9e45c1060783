"""Networks of v1 as v2 and back: nothing is lost, nothing that somebody writes keeps others from reading."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin import conversion
from ctrlkit.bitcoin.conversion import ANNOTATION, CONVERSIONS
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork
from ctrlkit.bitcoin.network_v1 import BITCOIN_NETWORKS_V1, BitcoinNetworkV1
from ctrlkit.model import Unstructured
from ctrlkit.webhooks import round_trip_losses
from tests.bitcoin.any_network import ANYTHING, networks
from tests.bitcoin.specs import RIGHT

Plain = dict[str, Any]

V1, V2 = networks(BITCOIN_NETWORKS_V1), networks(BITCOIN_NETWORKS)
NODE = {"ordinal": 0, "ready": True, "ip": "10.0.0.1", "nodeName": "net-sts-0", "dnsName": "net-sts-0.net-svc"}
SAID_BY_V2 = {"state": "AtTip", "height": 101, "tip": "00ab", "group": "main"}


def network(spec: Plain, status: Plain | None = None, **metadata: Any) -> Unstructured:
    """A network of either version."""
    parts = {"spec": spec} | ({} if status is None else {"status": status})
    return Unstructured({"metadata": {"name": "net", "namespace": "demo", **metadata}, **parts})


def to_v1(newer: Plain) -> Unstructured:
    """The network as v1."""
    older = conversion.to_v1.function(Unstructured(newer))
    assert isinstance(older, Unstructured)
    return older


def to_v2(older: Plain) -> Unstructured:
    """The network as v2."""
    newer = conversion.to_v2.function(Unstructured(older))
    assert isinstance(newer, Unstructured)
    return newer


@given(V2)
def test_for_any_network_of_v2_nothing_is_lost_by_way_of_v1(given_network: Plain) -> None:
    """Spec and status, and the annotations and labels of others."""
    assert round_trip_losses(CONVERSIONS, given_network) == []


@given(V1)
def test_for_any_network_of_v1_nothing_is_lost_by_way_of_v2(given_network: Plain) -> None:
    """Those as they are stored today have no annotation, and get none."""
    assert round_trip_losses(CONVERSIONS, given_network) == []
    assert to_v1(to_v2(given_network)) == with_annotations(given_network)


def with_annotations(given_network: Plain) -> Plain:
    """The network with the annotations that it has, or with none."""
    metadata = given_network["metadata"]
    return {**given_network, "metadata": {**metadata, "annotations": metadata.get("annotations", {})}}


@given(V2)
def test_for_any_network_of_v2_its_v1_is_what_the_type_of_v1_reads(given_network: Plain) -> None:
    """And no field more."""
    older = to_v1(given_network)
    read = msgspec.to_builtins(msgspec.convert(older, BitcoinNetworkV1))
    assert older["spec"].keys() <= read["spec"].keys()
    assert older.get("status", {}).keys() <= read["status"].keys()


@given(V2, st.integers(0, 100), st.sampled_from(["", "rpc"]))
def test_for_any_network_who_edits_nodes_or_secret_in_v1_keeps_all_else(
    given_network: Plain, nodes: int, secret: str
) -> None:
    """As `kubectl edit bitcoinnetworks.v1...` does."""
    edited = to_v1(given_network)
    edited["spec"] = {"nodes": nodes} | ({"secret": secret} if secret else {})
    rest = {name: value for name, value in given_network["spec"].items() if name not in ("nodes", "secret")}
    assert to_v2(edited)["spec"] == rest | edited["spec"]


def test_a_v1_network_of_three_lines_is_one_of_three_lines_in_v2() -> None:
    """No field is made up; what is absent is as by default."""
    assert to_v2(network({"nodes": 3}))["spec"] == {"nodes": 3}


def test_a_network_that_says_what_v1_can_say_has_no_annotation_in_v1() -> None:
    """Nor is the hand-written one of v2 taken for one of ours."""
    plain = network({"nodes": 3, "secret": "rpc"}, annotations={ANNOTATION: '{"spec": {"chain": "main"}}', "a": "b"})
    assert to_v1(plain)["metadata"]["annotations"] == {"a": "b"}


def test_what_v1_cannot_say_is_in_one_annotation_and_not_seen_in_v2() -> None:
    """As JSON that people can read."""
    newer = network(
        RIGHT["everything is said"], {"height": 101, "nodes": [{**NODE, **SAID_BY_V2}]}, annotations={"a": "b"}
    )
    older = to_v1(newer)
    assert older["spec"] == {"nodes": 3, "secret": "rpc"}
    assert older["status"] == {"nodes": [NODE]}
    kept = json.loads(older["metadata"]["annotations"][ANNOTATION])
    assert kept["spec"]["chain"] == "signet"
    assert (kept["status"], kept["nodes"]) == ({"height": 101}, [{"nodeName": "net-sts-0", **SAID_BY_V2}])
    assert to_v2(older) == newer


def test_a_status_written_in_v1_keeps_what_is_known_of_the_nodes_that_stay() -> None:
    """Each by its pod's name, wherever it now stands in the list."""
    other = {**NODE, "nodeName": "net-sts-1", "ordinal": 1}
    older = to_v1(network({"nodes": 2}, {"nodes": [{**NODE, **SAID_BY_V2}, other]}))
    older["status"]["nodes"] = [other, {**NODE, "ready": False}]
    assert to_v2(older)["status"]["nodes"] == [other, {**NODE, **SAID_BY_V2, "ready": False}]


DAMAGED = st.one_of(
    st.text(),
    ANYTHING.map(json.dumps),
    st.fixed_dictionaries({"spec": ANYTHING, "status": ANYTHING, "nodes": ANYTHING}).map(json.dumps),
    st.fixed_dictionaries(
        {
            "spec": st.dictionaries(st.sampled_from(["chain", "storage", "nodes", "image", "groups"]), ANYTHING),
            "status": st.dictionaries(st.sampled_from(["height", "storage", "nodes", "topology"]), ANYTHING),
            "nodes": st.lists(st.dictionaries(st.sampled_from(["nodeName", "height", "ip"]), ANYTHING), max_size=2),
        }
    ).map(json.dumps),
    st.sampled_from(["[" * 100_000, '{"spec": {"affinity": ' + '{"a":' * 900 + "1" + "}" * 901 + "}", '"\\ud800"']),
)


@given(V1, DAMAGED)
def test_for_any_annotation_a_network_can_be_read_in_v2_as_v1_says_it(given_network: Plain, text: str) -> None:
    """What does not fit is passed over: a list of all networks does not fail because of one."""
    given_network["metadata"]["annotations"] = {ANNOTATION: text}
    newer = to_v2(given_network)
    assert newer["metadata"]["annotations"] == {}
    read = msgspec.convert(newer, BitcoinNetwork)
    assert (read.spec.nodes, read.spec.secret) == (given_network["spec"]["nodes"], given_network["spec"].get("secret"))
    for field, value in given_network.get("status", {}).items():
        if field != "nodes":
            assert newer["status"][field] == value


def test_of_a_damaged_annotation_the_parts_that_fit_count() -> None:
    """Field by field; nodes and secret are v1's to say."""
    text = json.dumps({"spec": {"chain": "mars", "image": "a:b", "nodes": 9, "colour": "red"}, "status": 5})
    newer = to_v2(network({"nodes": 3}, annotations={ANNOTATION: text}))
    assert newer["spec"] == {"nodes": 3, "image": "a:b"}


def size(older: Plain) -> int:
    """Bytes of the annotations, as the server counts them."""
    return sum(len(f"{name}{text}".encode()) for name, text in older["metadata"]["annotations"].items())


FULL: Plain = {
    "nodes": 100,
    "configuration": {"extra": ["uacomment=" + '"' * 502] * 32},
    "groups": [{"name": f"g{number}", "nodes": 0, "image": "a" * 512} for number in range(8)],
    "peers": [f"{number}" * 253 for number in range(8)],
}
SEEN_OF_NODE: Plain = {"tip": "a" * 64, "height": 900_000, "version": "x" * 256, "state": "Behind", "connections": 125}


def told(message: str) -> Plain:
    """A status with a message for each of 100 nodes."""
    nodes = [{**NODE, "nodeName": f"net-sts-{at}", **SEEN_OF_NODE, "message": message} for at in range(100)]
    return {"nodes": nodes, "height": 900_000}


def test_a_network_with_all_lines_that_it_may_have_is_kept_whole_by_v1() -> None:
    """With the status of 100 nodes, and beside what kubectl apply writes down of the spec."""
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(FULL)}
    newer = network(FULL, told("it lacks blocks of the others"), annotations=applied)
    older = to_v1(newer)
    assert size(older) <= conversion.ANNOTATIONS_MAX
    assert to_v2(older) == newer


@pytest.mark.parametrize(
    ("others", "message", "kept"),
    [
        (0, "m" * 3000, {"spec", "status", "nodes"}),
        (220_000, "m", {"spec"}),
        (250_000, "m", set()),
        (conversion.ANNOTATIONS_MAX - 1, "m", set()),
    ],
)
def test_what_an_annotation_cannot_hold_is_left_out_the_least_needed_first(
    others: int, message: str, kept: set[str]
) -> None:
    """A server refuses annotations of more than 256 KiB, and with them the list of all networks in v1."""
    older = to_v1(network(FULL, told(message), annotations={"a": "b" * others}))
    assert size(older) <= conversion.ANNOTATIONS_MAX
    assert json.loads(older["metadata"]["annotations"].get(ANNOTATION, "{}")).keys() == kept
    assert "m" * 3000 not in older["metadata"]["annotations"].get(ANNOTATION, "")
