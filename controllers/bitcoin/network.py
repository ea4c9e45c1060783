"""
The kind BitcoinNetwork, version v2: what a user can ask for, and what the controller tells.

What one node is made of (`NodeOptions`) stands in the spec for all nodes, and in a group for those of the group, where
it takes the place of the network's, field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import Annotated, Concatenate, Final, ParamSpec, TypeVar

import msgspec
from msgspec import Meta

from ctrlkit.bitcoin import rules
from ctrlkit.bounded import BoundedDict
from ctrlkit.kinds.core import Affinity
from ctrlkit.model import (
    Column,
    Condition,
    Definition,
    ObjectMeta,
    Resource,
    ScaleFields,
    Schema,
    custom_resource,
)
from ctrlkit.model.schema import NO_DEFAULT

P = ParamSpec("P")
T = TypeVar("T")

GROUP: Final = "bitcoincontroller.christianb93.github.com"
MAIN_GROUP: Final = "main"
"""The group of the nodes that spec.nodes counts."""


class Chain(StrEnum):
    """The chain that the nodes of a network keep."""

    REGTEST = "regtest"
    SIGNET = "signet"
    TESTNET4 = "testnet4"
    MAIN = "main"


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """Default ports of a chain, whether our nodes are all there is of it, and the flag that selects it."""

    rpc_port: int
    p2p_port: int
    is_meshed: bool
    flag: str


CHAINS: Final = {
    Chain.REGTEST: ChainFacts(18332, 18444, is_meshed=True, flag="-regtest"),
    Chain.SIGNET: ChainFacts(38332, 38333, is_meshed=True, flag="-signet"),
    Chain.TESTNET4: ChainFacts(48332, 48333, is_meshed=False, flag="-testnet4"),
    Chain.MAIN: ChainFacts(8332, 8333, is_meshed=False, flag=""),
}
"""The ports are those of Bitcoin Core, but for regtest's RPC, which stays what it was in v1."""


class Retention(StrEnum):
    """What happens to the claim of a node that goes, as in a StatefulSet."""

    RETAIN = "Retain"
    DELETE = "Delete"


class DeletionPolicy(StrEnum):
    """What happens to the nodes of a network that is deleted."""

    DELETE = "Delete"
    ORPHAN = "Orphan"


_INT32: Final = Schema(format="int32")
_INT64: Final = Schema(format="int64")
NETWORK_NAME: Final = Schema(
    more={"properties": {"name": {"type": "string", "maxLength": 48, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}}}
)
_Quantity = Annotated[str, Schema(rules=rules.AMOUNT, more={"maxLength": 20})]
_Amounts = Annotated[dict[str, _Quantity], Meta(max_length=16), Schema(rules=rules.AMOUNTS)]
_Size = Annotated[
    str,
    Schema(
        default=NO_DEFAULT,  # so that the server knows whether it was said
        rules=rules.SIZE,
        more={"maxLength": 20},
    ),
]
ObjectName = Annotated[str, Schema(rules=rules.OBJECT_NAME, more={"maxLength": 253})]
"""The name of an object in the network's namespace."""

_Port = Annotated[int, _INT32, Schema(rules=rules.PORT)]
_Line = Annotated[str, Meta(max_length=512), Schema(rules=rules.EXTRA)]
_Peer = Annotated[str, Meta(max_length=253), Schema(rules=rules.PEER)]
_LabelKey = Annotated[str, Meta(max_length=317), Schema(rules=rules.LABEL_KEY)]
_LabelValue = Annotated[str, Meta(max_length=63), Schema(rules=rules.LABEL_VALUE)]
_Labels = Annotated[dict[str, _LabelValue], Meta(max_length=32), Schema(rules=rules.LABELS)]


@Schema(rules=rules.STORAGE)
class Storage(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Where the nodes keep their chains: each on a claim of its own, or nowhere beyond its pod."""

    ephemeral: bool = False
    """Without claims: what a node has is lost with its pod, and it takes the chain from the others again."""

    size: _Size = rules.DEFAULT_SIZE
    """The size of each claim, 10Gi unless said. It can grow, where the class allows it, and never shrink."""

    class_name: Annotated[str, Meta(max_length=253), Schema(rules=rules.CLASS_NAME)] | None = None
    """The StorageClass of the claims; without it the cluster's default, and with "" volumes that are there already."""

    when_deleted: Retention = Retention.RETAIN
    """What happens to the claims when the network, or their group, is deleted."""

    when_scaled: Retention = Retention.RETAIN
    """What happens to the claim of a node that is taken away by scaling down."""


@Schema(rules=rules.RESOURCES)
class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """Requests and limits of each node's container, by `cpu`, `memory`, `ephemeral-storage` and names with a domain."""

    requests: _Amounts = {}
    limits: _Amounts = {}


class Configuration(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What bitcoin.conf says, beside what the controller says in it."""

    dbcache_mib: Annotated[int, Meta(ge=4, le=65536), _INT32] | None = msgspec.field(default=None, name="dbcacheMiB")
    """Memory for the database of coins, in MiB; a quarter of limits.memory, or 450, where nobody says otherwise."""

    prune_mib: Annotated[int, _INT64, Schema(rules=rules.PRUNE)] | None = msgspec.field(default=None, name="pruneMiB")
    """How much of the blocks is kept, in MiB: 550 or more; 0 keeps all."""

    txindex: bool | None = None
    """Whether all transactions can be looked up; not together with pruning."""

    extra: Annotated[list[_Line], Meta(max_length=64)] = []
    """
    Other lines of bitcoin.conf, NAME=VALUE, such as `debug=net`. What the controller sets itself is refused, and what
    runs commands. The lines of a group stand before the network's, and of an option that has one value bitcoind takes
    the first.
    """


class TolerationOperator(StrEnum):
    """How a toleration compares values."""

    EQUAL = "Equal"
    EXISTS = "Exists"


class TaintEffect(StrEnum):
    """What a taint does."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


@Schema(rules=rules.TOLERATION)
class Toleration(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """A taint of cluster nodes on which bitcoin nodes may run, as in a pod."""

    key: Annotated[str, Meta(max_length=317), Schema(rules=rules.TAINT_KEY)] | None = None
    operator: TolerationOperator | None = None
    value: _LabelValue | None = None
    effect: TaintEffect | None = None
    toleration_seconds: Annotated[int, _INT64] | None = None


class NodeOptions(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a node is made of, all of it optional."""

    image: Annotated[str, Meta(max_length=512), Schema(rules=rules.IMAGE)] | None = None
    """The image, which has bitcoind and bitcoin-cli on its PATH; without it the controller's choice for `version`."""

    version: Annotated[str, Meta(max_length=32), Schema(rules=rules.VERSION)] | None = None
    """The version of Bitcoin Core, such as `29.1`: it chooses the image, or says what `image` holds."""

    resources: Resources | None = None
    configuration: Configuration | None = None
    node_selector: _Labels | None = None
    affinity: Affinity | None = None
    """As in a pod."""

    tolerations: Annotated[list[Toleration], Meta(max_length=16)] | None = None


class Group(NodeOptions, frozen=True, rename="camel", kw_only=True):
    """More nodes of the network, which differ from the others in what is said here."""

    name: Annotated[str, Meta(max_length=12), Schema(rules=rules.GROUP_NAME)]
    """Part of the names of its pods: NETWORK-sts-GROUP-0. Not `main` and not `sts`."""

    nodes: Annotated[int, Meta(ge=0), _INT32]
    """How many nodes the group has."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where the nodes listen; what is absent is the chain's default, and ZMQ is off."""

    rpc: _Port | None = None
    p2p: _Port | None = None
    zmq: _Port | None = None
    """Raw blocks and transactions, and the hashes of both, are published at this port."""


class SecurityContext(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """As whom the nodes run; never as root, with a read-only root file system and without capabilities."""

    run_as_user: Annotated[int, _INT64] = 1000
    run_as_group: Annotated[int, _INT64] = 1000
    fs_group: Annotated[int, _INT64] = 1000


class SelectorOperator(StrEnum):
    """How a label is compared with values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@Schema(rules=rules.REQUIREMENT)
class Requirement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a label has to be."""

    key: _LabelKey
    operator: SelectorOperator
    values: Annotated[list[_LabelValue], Meta(max_length=32)] = []


class LabelSelector(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """Selects pods or namespaces by their labels; one that says nothing selects all."""

    match_labels: _Labels = {}
    match_expressions: Annotated[list[Requirement], Meta(max_length=16)] = []


@Schema(rules=rules.IP_BLOCK)
class IPBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A range of addresses, without some in it."""

    cidr: Annotated[str, Meta(max_length=64)]
    except_: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=32)] = msgspec.field(
        default_factory=list, name="except"
    )


@Schema(rules=rules.POLICY_PEER)
class PolicyPeer(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """Who may call, as in a NetworkPolicy."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class NetworkPolicy(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Who else may call the nodes, beside each other and the controller."""

    rpc_from: Annotated[list[PolicyPeer], Meta(max_length=16)] = []
    """Who may use RPC and ZMQ."""

    p2p_from: Annotated[list[PolicyPeer], Meta(max_length=16)] = []
    """Who may connect as bitcoin nodes; with a public chain, everybody may."""


@Schema(rules=rules.spec_rules({str(chain): (facts.rpc_port, facts.p2p_port) for chain, facts in CHAINS.items()}))
class Spec(NodeOptions, frozen=True, rename="camel", kw_only=True):
    """What a user wants; `nodes` is all that has to be said."""

    nodes: Annotated[int, Meta(ge=0), _INT32]
    """How many nodes the network has, beside those of its groups. With 0 they rest, and their claims stay."""

    chain: Chain = Chain.REGTEST
    signet_challenge: Annotated[str, Meta(max_length=1024), Schema(rules=rules.SCRIPT)] | None = None
    """The block script of a signet of one's own, in hexadecimal digits."""

    secret: ObjectName | None = None
    """
    The Secret in this namespace with the keys BC_RPC_USER and BC_RPC_PASSWORD. Without one the controller makes one,
    NAME-credentials.
    """

    peers: Annotated[list[_Peer], Schema(list_type="set"), Meta(max_length=8)] = []
    """Nodes outside of the network that each node connects to, HOST or HOST:PORT."""

    groups: Annotated[list[Group], Schema(list_type="map", list_map_keys=("name",)), Meta(max_length=8)] = []
    storage: Annotated[Storage, Schema(default={})] = Storage()
    ports: Ports = Ports()
    security_context: SecurityContext = SecurityContext()
    image_pull_secrets: Annotated[list[ObjectName], Schema(list_type="set"), Meta(max_length=8)] = []
    termination_grace_period_seconds: Annotated[int, _INT64] = 600
    """How long a node may take to write down what it has; one that is killed reads its chain anew."""

    network_policy: NetworkPolicy | None = None
    """With it a NetworkPolicy is made that lets nobody else call the nodes."""

    paused: bool = False
    """While it is true the controller changes nothing, and only writes the status."""

    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    """Orphan: the nodes go on when the network is deleted, and a new network of the name takes them over."""


def remembered(function: Callable[Concatenate[Spec, P], T]) -> Callable[Concatenate[Spec, P], T]:
    """
    Return a pure function of a spec, and of what has a hash, that remembers its last results.

    A pass asks the same of a spec again and again, and so does the next one. A spec has no hash; its text has.
    """
    known: BoundedDict[tuple[Hashable, ...], T] = BoundedDict(limit=2_000)

    @wraps(function)
    def remembering(spec: Spec, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (msgspec.json.encode(spec), *args, *kwargs.items())
        if key not in known:
            known.put(key, function(spec, *args, **kwargs))
        return known[key]

    return remembering


class NodeState(StrEnum):
    """What a node is doing, in one word."""

    WAITING = "Waiting"
    """Its pod is not there, or cannot run; `message` says why."""
    STARTING = "Starting"
    """Its pod runs and is not ready, or the node is warming up."""
    UNREACHABLE = "Unreachable"
    """Its pod is ready, and it does not answer."""
    UNSTEADY = "Unsteady"
    """It answers now and then."""
    ISOLATED = "Isolated"
    """It answers, and has no connection to most of the others."""
    BEHIND = "Behind"
    """It answers, and is not at the tip of the others."""
    AT_TIP = "AtTip"


class NodeStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """What was last seen of one node."""

    ordinal: Annotated[int, _INT32]
    """The node's number in its StatefulSet, from 0."""

    ready: bool
    """Whether its pod is ready and has an address."""

    ip: str
    """The address of the node's pod; empty while it has none."""

    node_name: str
    """The name of the node's pod."""

    dns_name: str
    """The name of the node under the network's headless service."""

    group: str = ""
    state: NodeState | None = None
    message: str = ""
    """Why it is not at the tip."""

    version: str = ""
    """What the node says it is, such as `/Satoshi:29.1.0/`."""

    height: Annotated[int, _INT64] | None = None
    tip: str = ""
    """The hash of its best block."""

    connections: Annotated[int, _INT32] | None = None
    """How many connections it has, from all sides."""


class GroupStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How far the nodes of one group are."""

    name: str
    nodes: Annotated[int, _INT32]
    ready: Annotated[int, _INT32]
    updated: Annotated[int, _INT32]
    """How many have what the spec says."""

    image: str = ""
    written_by: str = ""
    """The newest that ran on the claims of the group, as nodes name it: `/Satoshi:30.2.0/`."""


class Topology(StrEnum):
    """Which connections the controller sees to."""

    NONE = "None"
    """One node, or none."""
    FULL_MESH = "FullMesh"
    """Every node with every other: up to 17 nodes."""
    RINGS = "Rings"
    """Every node with 8 others, so that all are connected: more than 17 nodes."""
    PUBLIC = "Public"
    """None: the nodes find their peers themselves."""


class Status(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the controller found; written by nobody else."""

    observed_generation: Annotated[int, _INT64] = 0
    """The generation of the spec that this status tells about."""

    replicas: Annotated[int, _INT32] = 0
    """How many pods there are of the nodes that spec.nodes counts."""

    selector: str = ""
    """Selects those pods: for the scale subresource, and so for a HorizontalPodAutoscaler."""

    ready_nodes: Annotated[int, _INT32] = 0
    """How many nodes are ready, of all groups."""

    height: Annotated[int, _INT64] | None = None
    """The height that most nodes are at."""

    topology: Topology | None = None
    storage: str = ""
    """Persistent or Ephemeral."""

    groups: tuple[GroupStatus, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


@Schema(rules=rules.NETWORK)
class BitcoinNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network of bitcoin nodes."""

    metadata: Annotated[ObjectMeta, NETWORK_NAME]
    spec: Spec
    status: Status = Status()


_AVAILABLE: Final = '.status.conditions[?(@.type=="Available")]'

BITCOIN_NETWORKS: Resource[BitcoinNetwork] = custom_resource(
    group=GROUP,
    version="v2",
    kind="BitcoinNetwork",
    plural="bitcoinnetworks",
    definition=Definition(
        short_names=("btcnet",),
        columns=(
            Column(name="Nodes", type="integer", json_path=".spec.nodes"),
            Column(name="Ready", type="integer", json_path=f'.status.groups[?(@.name=="{MAIN_GROUP}")].ready'),
            Column(name="Height", type="integer", json_path=".status.height"),
            Column(name="Available", json_path=f"{_AVAILABLE}.status"),
            Column(name="Reason", json_path=f"{_AVAILABLE}.reason", priority=1),
            Column(name="Rollout", json_path='.status.conditions[?(@.type=="UpToDate")].reason', priority=1),
            Column(name="Chain", json_path=".spec.chain", priority=1),
            Column(name="Age", type="date", json_path=".metadata.creationTimestamp"),
        ),
        scale=ScaleFields(
            spec_replicas=".spec.nodes", status_replicas=".status.replicas", label_selector=".status.selector"
        ),
        storage=True,
    ),
).of(BitcoinNetwork)
