"""
Specs of bitcoin networks, right ones and wrong ones, each with the field and the sentence by which a server refuses it.

One wrong spec for each rule, and the bounds on both sides; the judge holds a real server against the same ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.errors import ApiError
from ctrlkit.model import Options, Unstructured
from ctrlkit.wire.yaml_body import read_yaml

Spec = dict[str, Any]
NETWORKS = BITCOIN_NETWORKS.of(Unstructured)
AS_KUBECTL = Options(field_validation="Strict")
_NOT_ALL_CHECKED = "some validation rules were not checked because the object was invalid"


class Mistake(NamedTuple):
    """Lines of a spec in a version of the kind, and what a person reads when they are applied."""

    version: str
    written: str
    answer: list[str]

    def network(self) -> dict[str, Any]:
        """The network as a whole; `nodes` is said where the mistake is about something else."""
        spec = read_yaml(self.written.encode())
        added = {"nodes": 1} if spec.keys() - {"nodes", "replicas"} else {}
        return {**network(added | spec), "apiVersion": f"{BITCOIN_NETWORKS.group}/{self.version}"}


def mistakes() -> list[Mistake]:
    """Those of mistakes.txt: what is written stands at the beginning of lines, what is answered is indented."""
    found: list[Mistake] = []
    version, written = "", list[str]()
    for line in (Path(__file__).parent / "mistakes.txt").read_text().splitlines():
        if line.startswith("["):
            version = line.strip("[]")
        elif line.startswith("    "):
            if written:
                found.append(Mistake(version, "\n".join(written), []))
                written = []
            found[-1].answer.append(line.strip())
        elif line and not line.startswith("#"):
            written.append(line)
    return found


def read_by_a_person(error: ApiError) -> list[str]:
    """What kubectl prints of a refusal, but for the line that a server adds when it could not ask all rules."""
    causes = [f"{field}: {message}" for field, message in causes_of(error) if _NOT_ALL_CHECKED not in message]
    return causes or [error.message[error.message.index("strict decoding") :]]


def network(spec: Spec, name: str = "net") -> dict[str, Any]:
    """A network of a spec."""
    return {
        "apiVersion": BITCOIN_NETWORKS.api_version,
        "kind": BITCOIN_NETWORKS.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def causes_of(error: ApiError) -> list[tuple[str, str]]:
    """Field and sentence of each thing that a server finds wrong."""
    return [(one["field"], one["message"]) for one in error.details.get("causes", ())]


RIGHT: dict[str, Spec] = {
    "three lines": {"nodes": 3},
    "a network that rests": {"nodes": 0},
    "as many nodes as can be": {"nodes": 90, "groups": [{"name": "old", "nodes": 10}]},
    "everything is said": {
        "nodes": 3,
        "chain": "signet",
        "signetChallenge": "512103ad51ae",
        "secret": "rpc",
        "image": "registry.example.com:5000/bitcoin/core:29.1@sha256:" + "0" * 64,
        "version": "29.1",
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2.5Gi", "a.com/disk": "1"}},
        "configuration": {
            "dbcacheMiB": 1024,
            "pruneMiB": 550,
            "txindex": False,
            "extra": ["debug=net", "debug=mempool", "maxmempool=50", "uacomment=of demo, the 1st"],
        },
        "nodeSelector": {"example.com/disk": "ssd", "zone": ""},
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "a"}}}
                ]
            }
        },
        "tolerations": [
            {"operator": "Exists"},
            {"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5},
        ],
        "peers": ["seed.example.com", "192.0.2.1:38333", "[2001:db8::1]:65535", "[::1]", "host_1.local:1"],
        "groups": [{"name": "old", "nodes": 1, "version": "27", "configuration": {"pruneMiB": 0, "txindex": True}}],
        "storage": {"size": "10Gi", "className": "", "whenDeleted": "Delete", "whenScaled": "Delete"},
        "ports": {"rpc": 1024, "p2p": 65535, "zmq": 28332},
        "securityContext": {"runAsUser": 101, "runAsGroup": 101, "fsGroup": 101},
        "imagePullSecrets": ["a", "b.c"],
        "terminationGracePeriodSeconds": 30,
        "networkPolicy": {
            "rpcFrom": [
                {"podSelector": {}},
                {"namespaceSelector": {"matchLabels": {"team": "a"}}, "podSelector": {"matchLabels": {"app": "b"}}},
                {"podSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}},
            ],
            "p2pFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, {"ipBlock": {"cidr": "::/0"}}],
        },
        "paused": True,
        "deletionPolicy": "Orphan",
    },
    "ephemeral nodes": {"nodes": 1, "storage": {"ephemeral": True}},
    "main on claims of a size": {"nodes": 1, "chain": "main", "storage": {"size": "1Ti"}},
    "main, pruned": {"nodes": 1, "chain": "main", "configuration": {"pruneMiB": 2000}},
    "main, pruned and ephemeral": {
        "nodes": 1,
        "chain": "main",
        "configuration": {"pruneMiB": 20000},
        "storage": {"ephemeral": True},
    },
    "a group that does not prune as the others do": {
        "nodes": 1,
        "configuration": {"pruneMiB": 550},
        "groups": [{"name": "full", "nodes": 1, "configuration": {"pruneMiB": 0, "txindex": True}}],
    },
    "a group with more memory than the others": {
        "nodes": 1,
        "resources": {"limits": {"memory": "256Mi"}},
        "groups": [
            {
                "name": "big",
                "nodes": 1,
                "configuration": {"dbcacheMiB": 4000},
                "resources": {"limits": {"memory": "8Gi"}},
            }
        ],
    },
    "a limit that leaves what a node needs beside a quarter of it": {
        "nodes": 1,
        "resources": {"limits": {"memory": "171Mi"}},
    },
    "the smallest claim": {"nodes": 1, "storage": {"size": "100Mi"}},
    "dbcache and what a node needs beside": {
        "nodes": 1,
        "configuration": {"dbcacheMiB": 384},
        "resources": {"limits": {"memory": "512Mi"}},
    },
}

DBCACHE = "limits.memory is less than a node needs, 128 MiB beside dbcacheMiB"
SIZE = "write the size of a claim with its unit, 100Mi or more, such as 10Gi"
PUBLIC = "a public chain does not fit into a claim of 10Gi; say storage.size, such as 1Ti for main"
TXINDEX = "txindex needs all blocks; take it out, or write pruneMiB: 0"
IMAGE = "write the name of an image, such as docker.io/bitcoin/bitcoin:29.1"
PEER = "write HOST or HOST:PORT, such as seed.example.com:8333, 192.0.2.1 or [2001:db8::1]:8333"
PORTS = "rpc, p2p and zmq have to be three ports, the chain's defaults counted; write another number"
ABOVE = "bitcoind takes the port above p2p for itself, the chain's defaults counted; write another number"

WRONG: list[tuple[Spec, str, str]] = [
    ({}, "spec.nodes", "Required value"),
    ({"nodes": -1}, "spec.nodes", "should be greater than or equal to 0"),
    ({"nodes": "3"}, "spec.nodes", "must be of type integer"),
    ({"nodes": 51, "groups": [{"name": "a", "nodes": 50}]}, "spec.nodes", "a network has 100 nodes at most"),
    ({"nodes": 1, "secret": 5}, "spec.secret", "must be of type string"),
    ({"nodes": 1, "secret": "net-config"}, "spec.secret", "this Secret is the controller's own; name another, or none"),
    # ---- chains
    ({"nodes": 1, "chain": "testnet3"}, "spec.chain", 'supported values: "regtest", "signet", "testnet4", "main"'),
    ({"nodes": 1, "signetChallenge": "51"}, "spec.signetChallenge", "signetChallenge is for chain signet alone"),
    (
        {"nodes": 1, "chain": "main", "signetChallenge": "51", "storage": {"size": "1Ti"}},
        "spec.signetChallenge",
        "signetChallenge is for chain signet alone; write chain: signet, or take it out",
    ),
    ({"nodes": 1, "chain": "main"}, "spec", PUBLIC),
    ({"nodes": 1, "chain": "testnet4"}, "spec", PUBLIC),
    ({"nodes": 1, "chain": "signet"}, "spec", PUBLIC),
    ({"nodes": 1, "chain": "main", "storage": {"ephemeral": True}}, "spec", PUBLIC),
    (
        {
            "nodes": 1,
            "chain": "main",
            "configuration": {"pruneMiB": 550},
            "groups": [{"name": "full", "nodes": 1, "configuration": {"pruneMiB": 0}}],
        },
        "spec.groups",
        f"in a group, with what the network says: {PUBLIC}",
    ),
    # ---- storage
    (
        {"nodes": 1, "storage": {"ephemeral": True, "size": "1Gi"}},
        "spec.storage",
        "ephemeral nodes have no claims; take out size and className, or ephemeral",
    ),
    ({"nodes": 1, "storage": {"ephemeral": True, "className": "x"}}, "spec.storage", "ephemeral nodes have no claims"),
    ({"nodes": 1, "storage": {"size": "10ki"}}, "spec.storage.size", SIZE),
    ({"nodes": 1, "storage": {"size": "99Mi"}}, "spec.storage.size", SIZE),
    ({"nodes": 1, "storage": {"whenDeleted": "Keep"}}, "spec.storage.whenDeleted", 'values: "Retain", "Delete"'),
    (
        {"nodes": 1, "storage": {"size": "600Mi"}, "configuration": {"pruneMiB": 600}},
        "spec",
        "pruneMiB is more than a claim holds; write a larger storage.size, or a smaller pruneMiB",
    ),
    (
        {"nodes": 1, "groups": [{"name": "a", "nodes": 1, "configuration": {"pruneMiB": 20_000}}]},
        "spec.groups",
        "pruneMiB is more than a claim holds",
    ),
    # ---- configuration
    (
        {"nodes": 1, "configuration": {"pruneMiB": 549}},
        "spec.configuration.pruneMiB",
        "bitcoind keeps 550 MiB of blocks at the least; write 550 to 10000000 MiB, or 0 to keep all",
    ),
    ({"nodes": 1, "configuration": {"pruneMiB": 600, "txindex": True}}, "spec", TXINDEX),
    (
        {
            "nodes": 1,
            "configuration": {"pruneMiB": 600},
            "groups": [{"name": "a", "nodes": 1, "configuration": {"txindex": True}}],
        },
        "spec.groups",
        TXINDEX,
    ),
    (
        {"nodes": 1, "groups": [{"name": "a", "nodes": 1, "configuration": {"txindex": True, "pruneMiB": 600}}]},
        "spec.groups",
        TXINDEX,
    ),
    ({"nodes": 1, "configuration": {"dbcacheMiB": 3}}, "spec.configuration.dbcacheMiB", "greater than or equal to 4"),
    (
        {"nodes": 1, "configuration": {"dbcacheMiB": 385}, "resources": {"limits": {"memory": "512Mi"}}},
        "spec",
        DBCACHE,
    ),
    (
        {
            "nodes": 1,
            "configuration": {"dbcacheMiB": 1000},
            "groups": [{"name": "a", "nodes": 1, "resources": {"limits": {"memory": "1G"}}}],
        },
        "spec.groups",
        DBCACHE,
    ),
    (
        {
            "nodes": 1,
            "resources": {"limits": {"memory": "1Gi"}},
            "groups": [{"name": "a", "nodes": 1, "configuration": {"dbcacheMiB": 1000}}],
        },
        "spec.groups",
        DBCACHE,
    ),
    *(
        ({"nodes": 1, "configuration": {"extra": [line]}}, "spec.configuration.extra[0]", said)
        for line, said in {
            "debug": "write a line of bitcoin.conf, NAME=VALUE, such as debug=net",
            "-debug=net": "write a line of bitcoin.conf",
            "debug=net\nrpcuser=a": "write a line of bitcoin.conf",
            "uacomment=a # b": "in ASCII and without #",
            "[main]": "write a line of bitcoin.conf",
            "Debug=net": "write a line of bitcoin.conf",
            "uacomment=ü": "write a line of bitcoin.conf",
            "rpcuser=a": "the controller sets rpcuser itself; take it out, and see chain, peers, ports, secret",
            "rpcauth=a:b$c": "the controller sets rpcauth itself",
            "nolisten=1": "the controller sets nolisten itself",
            "zmqpubrawblock=tcp://0.0.0.0:1": "the controller sets zmqpubrawblock itself",
            "testnet4=1": "the controller sets testnet4 itself",
            "blocknotify=sh": "blocknotify runs a command, or is about a file outside of the chain; take it out",
            **{
                f"{option}=/tmp/a": f"{option} runs a command, or is about a file outside"
                for option in ("startupnotify", "alertnotify", "walletnotify", "shutdownnotify", "signer", "asmap")
            },
            "debuglogfile=/tmp/a": "debuglogfile runs a command, or is about a file outside",
            "loadblock=/tmp/a": "loadblock runs a command, or is about a file outside",
            "includeconf=/etc/passwd": "the controller sets includeconf itself",
        }.items()
    ),
    (
        {
            "nodes": 1,
            "configuration": {"extra": ["debug=" + "n" * 506] * 30},
            "groups": [
                {"name": name, "nodes": 1, "configuration": {"extra": ["debug=" + "n" * 506]}}
                for name in ("a", "b", "c")
            ],
        },
        "spec",
        "all lines of extra have 16384 characters at most, those of groups counted; write fewer",
    ),
    # ---- what nodes are made of
    ({"nodes": 1, "image": "bitcoin core"}, "spec.image", IMAGE),
    ({"nodes": 1, "image": "example.com/Bitcoin"}, "spec.image", IMAGE),
    ({"nodes": 1, "image": "bitcoin:"}, "spec.image", IMAGE),
    ({"nodes": 1, "image": "bitcoin@sha256:abc"}, "spec.image", IMAGE),
    ({"nodes": 1, "groups": [{"name": "a", "nodes": 1, "image": "a:b:c"}]}, "spec.groups[0].image", IMAGE),
    ({"nodes": 1, "resources": {"limits": {"memory": 5}}}, "spec.resources.limits.memory", "must be of type string"),
    ({"nodes": 1, "resources": {"limits": {"memory": "170Mi"}}}, "spec", DBCACHE),
    (
        {"nodes": 1, "resources": {"requests": {"memory": "5gb"}, "limits": {"memory": "5Gi"}}},
        "spec.resources.requests[memory]",
        "write an amount, such as 2Gi of memory or 500m of cpu",
    ),
    (
        {"nodes": 1, "resources": {"limits": {"memroy": "5Gi"}}},
        "spec.resources.limits",
        "a container has cpu, memory and ephemeral-storage",
    ),
    (
        {"nodes": 1, "resources": {"requests": {"memory": "2G"}, "limits": {"memory": "1Gi"}}},
        "spec.resources.requests",
        "what is requested is more than the limit; write a smaller request, or a larger limit",
    ),
    ({"nodes": 1, "nodeSelector": {"a": "c" * 64}}, "spec.nodeSelector.a", "may not be more than 63"),
    ({"nodes": 1, "affinity": "none"}, "spec.affinity", "must be of type object"),
    (
        {"nodes": 1, "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
        "Required value",
    ),
    ({"nodes": 1, "tolerations": [{"operator": "Is"}]}, "spec.tolerations[0].operator", '"Equal", "Exists"'),
    ({"nodes": 1, "tolerations": [{"value": "a"}]}, "spec.tolerations[0]", "without a key all taints are meant"),
    (
        {"nodes": 1, "tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        "spec.tolerations[0].value",
        "with operator Exists there is no value; take it out, or write operator: Equal",
    ),
    (
        {"nodes": 1, "tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]},
        "spec.tolerations[0].tolerationSeconds",
        "tolerationSeconds is for effect NoExecute alone",
    ),
    # ---- groups
    ({"nodes": 1, "groups": [{"name": "main", "nodes": 1}]}, "spec.groups[0].name", "a group is not called main"),
    ({"nodes": 1, "groups": [{"name": "sts", "nodes": 1}]}, "spec.groups[0].name", "nor sts; write another name"),
    ({"nodes": 1, "groups": [{"name": "a" * 13, "nodes": 1}]}, "spec.groups[0].name", "may not be more than 12"),
    ({"nodes": 1, "groups": [{"name": "a", "nodes": 1}] * 2}, "spec.groups[1]", "Duplicate value"),
    ({"nodes": 1, "groups": [{"name": "a"}]}, "spec.groups[0].nodes", "Required value"),
    # ---- the network around them
    ({"nodes": 1, "ports": {"rpc": 8332, "p2p": 8332}}, "spec.ports", PORTS),
    ({"nodes": 1, "ports": {"rpc": 18444}}, "spec.ports", PORTS),
    ({"nodes": 1, "ports": {"zmq": 18332}}, "spec.ports", PORTS),
    ({"nodes": 1, "chain": "main", "storage": {"size": "1Ti"}, "ports": {"p2p": 8332}}, "spec.ports", PORTS),
    ({"nodes": 1, "ports": {"zmq": 18445}}, "spec.ports", ABOVE),
    ({"nodes": 1, "ports": {"p2p": 18331}}, "spec.ports", ABOVE),
    *(
        ({"nodes": 1, "peers": [peer]}, "spec.peers[0]", PEER)
        for peer in ("a b", "host:", "host:0", "host:65536", "2001:db8::1", "http://host", "a:1:2", "-a", "host:1\n")
    ),
    ({"nodes": 1, "peers": ["a", "a"]}, "spec.peers[1]", "Duplicate value"),
    ({"nodes": 1, "peers": [f"host{number}" for number in range(9)]}, "spec.peers", "must have at most 8 items"),
    ({"nodes": 1, "deletionPolicy": "Keep"}, "spec.deletionPolicy", 'supported values: "Delete", "Orphan"'),
    (
        {"nodes": 1, "networkPolicy": {"rpcFrom": [{}]}},
        "spec.networkPolicy.rpcFrom[0]",
        "say who is meant: podSelector, namespaceSelector or ipBlock",
    ),
    (
        {"nodes": 1, "networkPolicy": {"rpcFrom": [{"podSelector": {}, "ipBlock": {"cidr": "::/0"}}]}},
        "spec.networkPolicy.rpcFrom[0].ipBlock",
        "ipBlock stands alone; write a second entry for the selectors",
    ),
    (
        {"nodes": 1, "networkPolicy": {"p2pFrom": [{"ipBlock": {"cidr": "10.0.0.1"}}]}},
        "spec.networkPolicy.p2pFrom[0].ipBlock.cidr",
        "write a range by its first address, such as 10.0.0.0/8 or 2001:db8::/32",
    ),
    (
        {"nodes": 1, "networkPolicy": {"p2pFrom": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}},
        "spec.networkPolicy.p2pFrom[0].ipBlock.except",
        "write smaller ranges inside of cidr, such as 10.1.0.0/16 of 10.0.0.0/8",
    ),
    (
        {
            "nodes": 1,
            "networkPolicy": {"rpcFrom": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]},
        },
        "spec.networkPolicy.rpcFrom[0].podSelector.matchExpressions[0].values",
        "In and NotIn have values, Exists and DoesNotExist have none",
    ),
]

CHANGES: list[tuple[Spec, Spec, str, str]] = [
    ({"nodes": 1}, {"chain": "signet", "signetChallenge": "51"}, "spec.chain", "chain cannot be changed"),
    (
        {"nodes": 1, "chain": "signet", "signetChallenge": "51"},
        {"signetChallenge": "52"},
        "spec.signetChallenge",
        "signetChallenge cannot be changed, the nodes have blocks of its signet; make another network",
    ),
    (
        {"nodes": 1, "chain": "signet", "signetChallenge": "51"},
        {"signetChallenge": None, "storage": {"size": "20Gi"}},
        "spec.signetChallenge",
        "signetChallenge cannot be changed",
    ),
    ({"nodes": 1}, {"storage": {"ephemeral": True}}, "spec.storage.ephemeral", "ephemeral cannot be changed"),
    ({"nodes": 1}, {"storage": {"className": "fast"}}, "spec.storage.className", "className cannot be changed"),
    (
        {"nodes": 1, "storage": {"className": "fast"}},
        {"storage": {"className": None}},
        "spec.storage.className",
        "className cannot be changed, the claims have their class; make another network",
    ),
    (
        {"nodes": 1, "storage": {"size": "20Gi"}},
        {"storage": {"size": "20G"}},
        "spec.storage.size",
        "size cannot be less than it was, claims do not shrink; write the old size, or a larger one",
    ),
    ({"nodes": 1}, {"storage": {"size": "9Gi"}}, "spec.storage.size", "size cannot be less than it was"),
    ({"nodes": 1, "storage": {"size": "11Gi"}}, {"storage": None}, "spec.storage.size", "size cannot be less"),
]
"""What a network is first, how it is then patched, and how that is refused."""

GOOD_CHANGES: list[tuple[Spec, Spec]] = [
    ({"nodes": 1}, {"storage": {"size": "20Gi"}}),
    ({"nodes": 1, "storage": {"size": "20Gi"}}, {"storage": {"size": "21Gi", "whenDeleted": "Delete"}}),
    ({"nodes": 1, "storage": {"size": "10Gi"}}, {"storage": None}),
    ({"nodes": 1}, {"chain": "regtest", "nodes": 5, "groups": [{"name": "a", "nodes": 1}]}),
    ({"nodes": 1, "groups": [{"name": "a", "nodes": 1}]}, {"groups": None, "image": "a:b", "ports": {"rpc": 18443}}),
    ({"nodes": 1, "chain": "signet", "signetChallenge": "51"}, {"paused": True, "storage": {"size": "99Gi"}}),
]

NAMES: list[dict[str, str]] = [
    *({"name": name} for name in ("n" * 48, "n" * 49, "1bc", "Abc", "a.b", "a" * 254, "-a", "a-")),
    *({"generateName": base} for base in ("n" * 42 + "-", "n" * 43 + "-", "n" * 80 + "-", "1b-", "b.", "B-")),
]
"""Names of networks, right ones and wrong ones."""
