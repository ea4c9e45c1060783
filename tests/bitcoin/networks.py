"""Specs of networks as hypothesis makes them: those that the definition lets through, and any that fit the types."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ctrlkit.bitcoin.network import (
    BitcoinNetwork,
    Chain,
    Configuration,
    Group,
    LabelSelector,
    NetworkPolicy,
    PolicyPeer,
    Ports,
    Resources,
    Retention,
    Spec,
    Storage,
    Toleration,
    TolerationOperator,
)
from ctrlkit.kinds.core import Affinity, NodeAffinity
from ctrlkit.model import ObjectMeta

LINES = st.sampled_from(["debug=net", "wallet=w", "maxconnections=40", "fallbackfee=0.0001", "maxmempool=300"])
QUANTITIES = st.sampled_from(["512Mi", "1Gi", "1.5G", "3000M", "2Ti"])
NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)
IMAGES = st.none() | st.sampled_from(["docker.io/bitcoin/bitcoin:29.1", "my.host:5000/bitcoind@sha256:" + "a" * 64])
CONFIGURATIONS = st.builds(
    Configuration,
    dbcache_mib=st.none() | st.integers(4, 65536),
    prune_mib=st.none() | st.just(0) | st.integers(550, 10_000),
    txindex=st.none() | st.just(value=False),
    extra=st.lists(LINES, max_size=3),
)
RESOURCES = st.builds(
    Resources,
    requests=st.dictionaries(st.sampled_from(["cpu", "memory"]), st.just("64Mi"), max_size=2),
    limits=st.dictionaries(st.just("memory"), QUANTITIES, max_size=1),
)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "image": IMAGES,
    "resources": st.none() | RESOURCES,
    "configuration": st.none() | CONFIGURATIONS,
    "node_selector": st.none() | st.just({"disk": "ssd"}),
    "affinity": st.none() | st.just(Affinity(node_affinity=NodeAffinity())),
    "tolerations": st.none() | st.just([Toleration(key="bitcoin", operator=TolerationOperator.EXISTS)]),
}
GROUPS = st.lists(
    st.builds(Group, name=st.sampled_from(["old", "big", "b2"]), nodes=st.integers(0, 3), **OPTIONS),
    max_size=2,
    unique_by=lambda group: group.name,
)
STORAGE = st.builds(Storage, ephemeral=st.just(value=True)) | st.builds(
    Storage,
    size=st.sampled_from(["10Gi", "1Ti"]),
    class_name=st.none() | st.sampled_from(["", "fast"]),
    when_deleted=st.sampled_from(Retention),
    when_scaled=st.sampled_from(Retention),
)
PEERS = st.lists(st.sampled_from(["192.0.2.1", "seed.example.com:8333", "[2001:db8::1]:8333"]), max_size=3, unique=True)
POLICY_PEERS = st.lists(st.just(PolicyPeer(pod_selector=LabelSelector(match_labels={"app": "wallet"}))), max_size=1)
SPECS = st.builds(
    Spec,
    nodes=st.integers(0, 5),
    chain=st.sampled_from(Chain),
    secret=st.none() | st.just("rpc"),
    peers=PEERS,
    groups=GROUPS,
    storage=STORAGE,
    ports=st.builds(Ports, zmq=st.none() | st.just(28332)),
    image_pull_secrets=st.lists(st.just("pull"), max_size=1),
    network_policy=st.none() | st.builds(NetworkPolicy, rpc_from=POLICY_PEERS, p2p_from=POLICY_PEERS),
    **OPTIONS,
)
NETWORKS = st.builds(
    BitcoinNetwork,
    metadata=st.builds(ObjectMeta, name=NAMES, namespace=st.just("demo"), uid=st.uuids().map(str)),
    spec=SPECS,
)

ANY_TEXT = st.text(max_size=20) | st.text("abno=#\n\r []-.", max_size=12)
ANY_LINE = ANY_TEXT | st.builds("{}={}".format, ANY_TEXT, ANY_TEXT) | LINES
ANY_SPECS = st.builds(
    Spec,
    nodes=st.just(1),
    chain=st.sampled_from(Chain),
    signet_challenge=st.none() | ANY_TEXT,
    peers=st.lists(ANY_TEXT, max_size=2),
    configuration=st.none() | st.builds(Configuration, extra=st.lists(ANY_LINE, max_size=2)),
    resources=st.none() | st.builds(Resources, limits=st.dictionaries(st.just("memory"), ANY_TEXT, max_size=1)),
)
"""What fits the types, and no more: an older definition, or none, lets it through."""
