"""
Bitcoin nodes in memory, for worlds in virtual time: with chains, connections and faults, and without a network.

    nodes = MemoryNodes()
    async with World(..., cluster=ALL, images=nodes.images) as world:
        nodes.follow(world.tracker)
        ...
        nodes.mine("demo/net-sts-0", 3)
        nodes.faults["demo/net-sts-1"].silent = True

A node is at the address of a pod that runs, and is named by the pod, as `namespace/name`. Its chain is kept by the
claim that the pod mounts, or else by the pod; its list of added nodes, as in Bitcoin Core, only by the run of its
container. Nodes that have each other on a list connect, and the longest chain wins. A node listens at the port, and
accepts the credentials, of the arguments and the bitcoin.conf that its pod had when it started; one of the first layout
has them from its environment.

In a world without a kubelet each pod with the phase Running and an address has a node. `images` plays the containers in
one with a kubelet: their readiness is that of the node, and a node that cannot start ends its container.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from ctrlkit import clock
from ctrlkit.bitcoin.rpc import RPC_PORT, Answer, BadCredentials, Code, Credentials, NodeUnreachable, WarmingUp
from ctrlkit.errors import NotFound
from ctrlkit.fakes.bitcoind.access import Access
from ctrlkit.fakes.bitcoind.p2p import parse_address
from ctrlkit.fakes.bitcoind.release import DEFAULT_RELEASE, Release
from ctrlkit.fakes.cluster.node.images import OTHERS
from ctrlkit.fakes.cluster.node.images.catalog import Images
from ctrlkit.fakes.cluster.node.programs import AlwaysReady
from ctrlkit.fakes.cluster.node.runtime import ContainerSpec, ProbeAction, ProbeResult
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.callers import ADMINISTRATOR, acting_as
from ctrlkit.model import ObjectKey, Unstructured
from ctrlkit.model.kinds import PERSISTENT_VOLUME_CLAIMS, PODS, SECRETS

MANUAL_CONNECTIONS_MAX: Final = 8
"""How many connections to added nodes a node of Bitcoin Core holds."""

TIP_AGE_MAX: Final = timedelta(hours=24)
"""A node is in its initial download, at first, while its tip is older than this."""

_GENESIS_TIME: Final = datetime(2011, 2, 2, 23, 16, 42, tzinfo=UTC)
_NO_RELEASE: Final = Release(0)
_REFUSAL_S: Final = 0.25
_CALLS_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A block, which knows the one before it: so a chain is its last block, and chains share their beginnings."""

    parent: Block | None = field(repr=False)
    height: int
    hash: str
    time: datetime

    def at(self, height: int) -> Block:
        """Return the block of this chain at a height."""
        block = self
        while block.height > height and block.parent is not None:
            block = block.parent
        return block


GENESIS: Final = Block(None, 0, "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206", _GENESIS_TIME)


@dataclass(slots=True, eq=False)
class Store:
    """What a claim keeps, or a pod without one: a chain, the newest release that has written it, how that ended."""

    tip: Block = GENESIS
    was_killed: bool = False
    written_by: Release = _NO_RELEASE


@dataclass(slots=True)
class Faults:
    """
    What is wrong with a node, under its pod's name, until it is set right again.

    Shape   `silent`: calls get no answer. `refuses`: no connection to its RPC port. `call_s` is how long each call
            takes. `fails_every`: one call of so many fails. `is_warming_up`: calls fail with -28, and it is not ready.
            `wrong_credentials`: none are accepted. `disk_full`: it ends, and does not start.
    """

    silent: bool = False
    refuses: bool = False
    call_s: float = 0.0
    fails_every: int = 0
    is_warming_up: bool = False
    wrong_credentials: bool = False
    disk_full: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call to a node: by pod, or by address if no node is there; when it began and ended, in seconds of the loop."""

    node: str
    what: str
    began: float
    ended: float
    failure: str = ""

    def __str__(self) -> str:
        return f"{self.what} on {self.node}"


@dataclass(slots=True, eq=False)
class Run:
    """A node from its start to its end."""

    key: str
    uid: str
    address: str
    release: Release
    store: Store
    port: int
    access: Access
    warm_at: float
    added: dict[str, str] = field(default_factory=dict)
    """Entries of the list of added nodes, each with its host."""

    outbound: dict[str, Run] = field(default_factory=dict)
    inbound: dict[Run, None] = field(default_factory=dict)
    is_synced: bool = False
    is_over: bool = False
    calls: int = 0
    tries_at: float = 0.0
    """When it looks at its list again, in seconds of the loop."""

    is_pausing: bool = False

    @property
    def peers(self) -> list[Run]:
        """The nodes at the other ends of its connections."""
        return [*self.outbound.values(), *self.inbound]


class MemoryNodes:
    """
    All nodes of a world, which are called by address as those of an RpcClient are.

    Units   `delay_s` is how long a connection takes, and a step of the exchange of blocks, which brings `blocks_a_step`
            at most. `call_s` is how long a call takes, `timeout_s` how long it may. For `warmup_s` after a start calls
            fail with -28; for `stop_s` a node writes down what it has, and if it is killed before, its next start takes
            `replay_s` more. After it has tried the entries of its list it looks at the list again `retry_s` later.
    """

    def __init__(
        self,
        *,
        call_s: float = 0.0,
        timeout_s: float = 5.0,
        delay_s: float = 0.1,
        blocks_a_step: int = 1000,
        warmup_s: float = 0.0,
        stop_s: float = 0.0,
        replay_s: float = 0.0,
        retry_s: float = 60.0,
    ) -> None:
        self.call_s: float = call_s
        self.timeout_s: float = timeout_s
        self.delay_s: float = delay_s
        self.blocks_a_step: int = blocks_a_step
        self.warmup_s: float = warmup_s
        self.stop_s: float = stop_s
        self.replay_s: float = replay_s
        self.retry_s: float = retry_s
        self.faults: defaultdict[str, Faults] = defaultdict(Faults)
        self.calls: deque[Call] = deque(maxlen=_CALLS_KEPT)
        self.went_back: list[str] = []
        """Nodes that started with fewer blocks than the same pod had when it ended; those without a claim do."""

        self._tracker: Tracker | None = None
        self._seen = 0
        self._runs: dict[str, Run] = {}  # by name of the pod
        self._at: dict[str, Run] = {}
        self._listed_by: defaultdict[str, dict[Run, None]] = defaultdict(dict)
        self._stores: dict[str, Store] = {}
        self._heights: dict[str, int] = {}
        self._keys: dict[str, ObjectKey] = {}  # of the pods that there are, by uid
        self._played: set[str] = set()
        """The uids of pods whose containers a kubelet starts."""

        self._cuts: list[tuple[frozenset[str], frozenset[str]]] = []
        self._changed: dict[Run, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._mined = 0

    # ---- the world ---------------------------------------------------------------------------------------------------

    def follow(self, tracker: Tracker) -> None:
        """Have the nodes that the pods of this server have."""
        self._tracker = tracker

    @property
    def images(self) -> Images:
        """What the containers of a world with a kubelet run, whatever their image."""
        return {OTHERS: self._make_program}

    # ---- what tests ask ----------------------------------------------------------------------------------------------

    @property
    def heights(self) -> dict[str, int]:
        """The height of each node that runs, by pod."""
        self._look()
        return {key: run.store.tip.height for key, run in sorted(self._runs.items())}

    @property
    def tips(self) -> dict[str, str]:
        """The hash of the best block of each node that runs, by pod."""
        self._look()
        return {key: run.store.tip.hash for key, run in sorted(self._runs.items())}

    @property
    def lists(self) -> dict[str, set[str]]:
        """The list of added nodes of each node that runs, by pod."""
        self._look()
        return {key: set(run.added) for key, run in sorted(self._runs.items())}

    @property
    def connections(self) -> dict[str, int]:
        """How many connections each node that runs has, by pod."""
        self._look()
        return {key: len(run.outbound) + len(run.inbound) for key, run in sorted(self._runs.items())}

    @property
    def outbound(self) -> dict[str, int]:
        """How many connections each node that runs has made itself, by pod."""
        self._look()
        return {key: len(run.outbound) for key, run in sorted(self._runs.items())}

    @property
    def writes(self) -> list[str]:
        """The calls that change something, in order."""
        return [str(call) for call in self.calls if not call.what.startswith(("answer", "list"))]

    def release(self, node: str) -> Release:
        """Return the release that a node is of."""
        return self._run(node).release

    def mine(self, node: str, blocks: int = 1) -> None:
        """Mine blocks on a node; the others get them if they are connected."""
        run = self._run(node)
        for _ in range(blocks):
            self._mined += 1
            tip = run.store.tip
            name = sha256(f"{tip.hash} {node} {self._mined}".encode()).hexdigest()
            run.store.tip = Block(tip, tip.height + 1, name, clock.now())
        self._touch(run)

    def add_strangers(self, node: str, count: int) -> None:
        """Put so many nodes that are nowhere on the list of a node."""
        run = self._run(node)
        strangers = (f"100.64.{number // 250}.{number % 250 + 1}" for number in range(count))
        run.added |= {stranger: stranger for stranger in strangers}

    def restart(self, node: str) -> None:
        """Have a node start anew in its pod, which loses its connections and its list; no object tells of it."""
        run = self._run(node)
        assert self._tracker is not None
        pod = self._tracker.get(PODS, node)
        self._end(run)
        self._begin(pod, run.address)

    def partition(self, *sets: Collection[str]) -> None:
        """Cut all connections between these sets of nodes, until `heal`; restarted pods are cut off as before."""
        parts = [frozenset(part) for part in sets]
        self._cuts += [(one, other) for i, one in enumerate(parts) for other in parts[i + 1 :]]
        for run in self._runs.values():
            for entry, peer in list(run.outbound.items()):
                if self._is_cut(run, peer):
                    del run.outbound[entry], peer.inbound[run]

    def heal(self) -> None:
        """End all partitions."""
        self._cuts.clear()
        for run in self._runs.values():
            self._touch(run)

    def _run(self, node: str) -> Run:
        self._look()
        try:
            return self._runs[node]
        except KeyError:
            raise KeyError(f"no node runs in pod {node}; there are {', '.join(sorted(self._runs)) or 'none'}") from None

    # ---- what the controller asks ------------------------------------------------------------------------------------

    def node(self, address: str, credentials: Credentials, *, port: int = RPC_PORT) -> MemoryNode:
        """Return a handle of the node at an address."""
        return MemoryNode(self, address, credentials, port)

    async def reach(self, address: str, port: int, credentials: Credentials, what: str) -> Run:
        """Make a call as far as to the node, or fail as it does."""
        began, call = clock.monotonic(), f"{what} on {address}"
        self._look()
        run = self._at.get(address)
        name = run.key if run is not None else address
        try:
            answered = await self._pass(run, port, credentials, call)
        except BaseException as error:
            self.calls.append(Call(name, what, began, clock.monotonic(), type(error).__name__))
            raise
        self.calls.append(Call(name, what, began, clock.monotonic()))
        return answered

    async def _pass(self, run: Run | None, port: int, credentials: Credentials, call: str) -> Run:
        faults = self.faults.get(run.key, _NO_FAULTS) if run is not None else _NO_FAULTS
        call_s = faults.call_s or self.call_s
        if faults.silent or call_s >= self.timeout_s:
            await asyncio.sleep(self.timeout_s)
            raise NodeUnreachable(f"{call}: no answer within {self.timeout_s:g} s; try again later")
        await asyncio.sleep(call_s)
        self._look()
        if run is None or run.is_over or run.port != port or faults.refuses or faults.disk_full:
            raise NodeUnreachable(
                f"{call}: the node cannot be reached; try again later [port {port}, Connection refused]"
            )
        run.calls += 1
        if faults.fails_every and run.calls % faults.fails_every == 0:
            raise NodeUnreachable(f"{call}: the node cannot be reached; try again later [Connection reset by peer]")
        if faults.wrong_credentials or not run.access.admits(credentials.user, credentials.password):
            await asyncio.sleep(_REFUSAL_S)
            raise BadCredentials(f"{call}: the node does not accept these credentials; make secret and node agree")
        if self.is_warming_up(run):
            text = "Verifying blocks…"
            raise WarmingUp(f"{call}: the node is starting; try again in some seconds", code=Code.WARMING_UP, text=text)
        return run

    def answer(self, run: Run) -> Answer:
        """Return what a node says of itself."""
        tip = run.store.tip
        run.is_synced = run.is_synced or clock.now() - tip.time < TIP_AGE_MAX
        return Answer(
            version=run.release.version,
            agent=run.release.agent,
            height=tip.height,
            tip=tip.hash,
            is_syncing=not run.is_synced,
            connections=len(run.outbound) + len(run.inbound),
            added={entry: entry in run.outbound for entry in run.added},
        )

    def add(self, run: Run, entry: str) -> None:
        """Add an entry to a node's list, unless it is there."""
        if entry not in run.added:
            run.added[entry] = parse_address(entry)[0]
            self._listed_by[run.added[entry]][run] = None
            self._touch(run)

    def remove(self, run: Run, entry: str) -> None:
        """Remove an entry from a node's list, if it is there; the connection stays."""
        host = run.added.pop(entry, None)
        if host is not None and host not in run.added.values():
            self._listed_by[host].pop(run, None)

    def connect(self, run: Run, entry: str) -> None:
        """Have a node try an entry now, however lately it has looked at its list; the call ends after the attempt."""
        self._link(run, entry)
        self._touch(run)

    def disconnect(self, run: Run, entry: str) -> None:
        """Close the connection that a node made for an entry; one that is on the list is made again."""
        peer = run.outbound.pop(entry, None)
        if peer is not None:
            peer.inbound.pop(run, None)
            self._touch(run)

    # ---- pods --------------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Have the nodes that the pods have now."""
        tracker = self._tracker
        if tracker is not None and tracker.version != self._seen:
            with acting_as(ADMINISTRATOR):  # and not as the controller, in whose calls this happens
                self._look_at(tracker)

    def _look_at(self, tracker: Tracker) -> None:
        before, self._seen = self._seen, tracker.version
        writes = tracker.writes(before)
        if len(writes) == self._seen - before:
            keys = dict.fromkeys(write.key for write in writes if write.kind == "pods")
            for key in keys:
                self._see(str(key), self._find(PODS, key))
        else:  # more was written than is kept
            pods = {str(pod.key): pod for pod in tracker.list(PODS)}
            for name in {**self._runs, **pods}:
                self._see(name, pods.get(name))

    def _find(self, kind: Any, key: ObjectKey | str) -> Unstructured | None:
        assert self._tracker is not None
        try:
            return self._tracker.get(kind, key)
        except NotFound:
            return None

    def _see(self, name: str, pod: Unstructured | None) -> None:
        run = self._runs.get(name)
        if pod is not None:
            self._keys[pod.metadata.uid] = pod.key
        if run is not None and (pod is None or pod.metadata.uid != run.uid):
            self._end(run)
            self._stores.pop(f"pod/{run.uid}", None)
            self._keys.pop(run.uid, None)
            run = None
        if pod is None or pod.metadata.uid in self._played:
            return
        is_running = pod.at("status.phase") == "Running" and bool(pod.at("status.podIP"))
        if run is not None and not (is_running and pod.at("status.podIP") == run.address):
            self._end(run)
            run = None
        if is_running and run is None and not pod.metadata.deleting:
            self._begin(pod, pod.at("status.podIP"))

    def _store(self, pod: Unstructured) -> Store:
        claims = [v["persistentVolumeClaim"]["claimName"] for v in _volumes(pod) if "persistentVolumeClaim" in v]
        name = f"pod/{pod.metadata.uid}"
        if claims:
            key = ObjectKey(pod.metadata.namespace, claims[0])
            claim = self._find(PERSISTENT_VOLUME_CLAIMS, key)
            name = f"claim/{key}/{claim.metadata.uid if claim is not None else ''}"
        return self._stores.setdefault(name, Store())

    def _begin(self, pod: Unstructured, address: str) -> Run | str:
        """Start the node of a pod; returns why it cannot start, if it cannot."""
        name = str(pod.key)
        if self.faults.get(name, _NO_FAULTS).disk_full:
            return _DISK_FULL
        store, release = self._store(pod), _release(pod)
        if not release.reads(store.written_by):
            return (
                f"Error: the chain was written by {store.written_by.text}, which {release.text} cannot read; -reindex"
            )
        store.written_by = max(store.written_by, release)
        options = self._options(pod)
        access = self._access_of_old(pod) if options is None else _access(options)
        run = Run(
            key=name,
            uid=pod.metadata.uid,
            address=address,
            release=release,
            store=store,
            port=_rpc_port(pod, options),
            access=access,
            warm_at=clock.monotonic() + self.warmup_s + (self.replay_s if store.was_killed else 0.0),
        )
        store.was_killed = False
        if store.tip.height < self._heights.get(name, 0):
            self.went_back.append(f"{name}: from {self._heights[name]} to {store.tip.height}")
        self._runs[name] = self._at[address] = run
        for entry in (options or {}).get("addnode", ()):
            self.add(run, entry)
        for other in (run, *self._listed_by[address]):
            self._touch(other)
        return run

    def _end(self, run: Run) -> None:
        run.is_over = True
        self._heights[run.key] = run.store.tip.height
        if self._runs.get(run.key) is run:
            del self._runs[run.key]
        if self._at.get(run.address) is run:
            del self._at[run.address]
        for host in run.added.values():
            self._listed_by[host].pop(run, None)
        for peer in run.outbound.values():
            peer.inbound.pop(run, None)
        for peer in run.inbound:
            peer.outbound = {entry: other for entry, other in peer.outbound.items() if other is not run}
            self._touch(peer)

    def _options(self, pod: Unstructured) -> dict[str, list[str]] | None:
        """Read the bitcoin.conf that a pod mounts; None if it mounts no Secret with one."""
        for volume in _volumes(pod):
            if "secret" not in volume:
                continue
            secret = self._find(SECRETS, ObjectKey(pod.metadata.namespace, volume["secret"]["secretName"]))
            items = volume["secret"].get("items") or ()
            names = [item["key"] for item in items if item["path"].rpartition("/")[2] == "bitcoin.conf"]
            data = secret.at("data") if secret is not None else {}
            for name in names or ["bitcoin.conf"]:
                if name in (data or {}):
                    return _read_conf(b64decode(data[name]).decode())
        return None

    def _access_of_old(self, pod: Unstructured) -> Access:
        """Read the credentials of a pod of the first layout, which has them in its environment."""
        values = {"BC_RPC_USER": "user", "BC_RPC_PASSWORD": "password"}
        for source in pod.at("spec.containers")[0].get("envFrom") or ():
            name = (source.get("secretRef") or {}).get("name")
            secret = self._find(SECRETS, ObjectKey(pod.metadata.namespace, name)) if name else None
            data = secret.at("data") if secret is not None else {}
            values |= {key: b64decode(data[key]).decode() for key in values if (data or {}).get(key)}
        return Access(pairs=[(values["BC_RPC_USER"], values["BC_RPC_PASSWORD"])])

    # ---- containers --------------------------------------------------------------------------------------------------

    def _make_program(self, address: str, spec: ContainerSpec) -> _Program:
        self._played.add(spec.id.pod_uid)
        return _Program(self, spec.id.pod_uid, address)

    def start(self, uid: str, address: str) -> Run | str:
        """Start the node of a pod's container; returns why that is impossible, if it is."""
        self._look()
        pod = self._find(PODS, self._keys[uid]) if uid in self._keys else None
        if pod is None or pod.metadata.uid != uid:
            return "Error: the pod is gone"
        return self._begin(pod, address)

    def end(self, run: Run) -> None:
        """End a node whose container ends."""
        if not run.is_over:
            self._end(run)

    def obstacle_of(self, run: Run) -> str:
        """Say why a node that runs has to end; empty if it has not."""
        return _DISK_FULL if self.faults.get(run.key, _NO_FAULTS).disk_full else ""

    def is_warming_up(self, run: Run) -> bool:
        """Whether a node fails calls with -28."""
        return self.faults.get(run.key, _NO_FAULTS).is_warming_up or clock.monotonic() < run.warm_at

    # ---- connections and blocks --------------------------------------------------------------------------------------

    def _touch(self, run: Run) -> None:
        """Look at the connections and the chain of a node in a moment."""
        self._changed[run] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.delay_s, self._exchange)

    def _exchange(self) -> None:
        self._timer = None
        self._look()
        changed, self._changed = [run for run in self._changed if not run.is_over], {}
        for run in changed:
            self._connect(run)
        pairs = {frozenset((run, peer)): (run, peer) for run in changed for peer in run.peers}
        tips = {run: run.store.tip for pair in pairs.values() for run in pair}
        for pair in pairs.values():
            behind, ahead = sorted(pair, key=lambda run: tips[run].height)
            tip = tips[ahead].at(tips[behind].height + self.blocks_a_step)
            if tip.height > behind.store.tip.height:
                behind.store.tip = tip
                self._touch(behind)

    def _connect(self, run: Run) -> None:
        """Try the entries of a list, all of them; after that a node pauses."""
        wanted = [entry for entry in run.added if entry not in run.outbound]
        pause_s = run.tries_at - clock.monotonic()
        if wanted and pause_s > 0:
            if not run.is_pausing:
                run.is_pausing = True
                asyncio.get_running_loop().call_later(pause_s, self._try_again, run)
            return
        for entry in wanted:
            if len(run.outbound) >= MANUAL_CONNECTIONS_MAX:
                break
            self._link(run, entry)
        if wanted:
            run.tries_at = clock.monotonic() + self.retry_s

    def _try_again(self, run: Run) -> None:
        run.is_pausing = False
        if not run.is_over:
            self._touch(run)

    def _link(self, run: Run, entry: str) -> None:
        peer = self._at.get(parse_address(entry)[0])
        if peer is not None and peer is not run and entry not in run.outbound and not self._is_cut(run, peer):
            run.outbound[entry] = peer
            peer.inbound[run] = None

    def _is_cut(self, one: Run, other: Run) -> bool:
        return any((one.key in a and other.key in b) or (one.key in b and other.key in a) for a, b in self._cuts)


@dataclass(frozen=True)
class MemoryNode:
    """A handle of the node at an address, with the calls of the reconciler."""

    nodes: MemoryNodes
    address: str
    credentials: Credentials
    port: int

    async def reach(self, what: str) -> Run:
        """Make a call as far as to the node."""
        return await self.nodes.reach(self.address, self.port, self.credentials, what)

    async def answer(self) -> Answer:
        """Return what the node says of itself."""
        return self.nodes.answer(await self.reach("answer"))

    async def added_nodes(self) -> frozenset[str]:
        """Return the entries of the list of added nodes."""
        return frozenset((await self.reach("list")).added)

    async def add_node(self, peer: str) -> None:
        """Add a peer to the list."""
        self.nodes.add(await self.reach(f"add {peer}"), peer)

    async def remove_node(self, entry: str) -> None:
        """Remove an entry from the list."""
        self.nodes.remove(await self.reach(f"remove {entry}"), entry)

    async def connect(self, entry: str) -> None:
        """Have the node try a peer."""
        self.nodes.connect(await self.reach(f"connect {entry}"), entry)

    async def disconnect(self, entry: str) -> None:
        """Close the connection of an entry."""
        self.nodes.disconnect(await self.reach(f"disconnect {entry}"), entry)


class _Program(AlwaysReady):
    """A container with a node: ready when the node is, and ended where the node ends."""

    def __init__(self, nodes: MemoryNodes, uid: str, address: str) -> None:
        super().__init__()
        self._nodes = nodes
        self._uid = uid
        self._address = address
        self._node: Run | None = None

    async def run(self) -> int:
        """Run the node until its container ends."""
        started = self._nodes.start(self._uid, self._address)
        if isinstance(started, str):
            self.log.write(started)
            return 1
        self._node = started
        try:
            return await super().run()
        except asyncio.CancelledError:
            started.store.was_killed = True
            await asyncio.sleep(self._nodes.stop_s)
            started.store.was_killed = False
            return 0
        finally:
            self._nodes.end(started)

    async def probe(self, action: ProbeAction) -> ProbeResult:
        """Answer as bitcoin-cli does; a node whose disk is full ends with its next probe."""
        if self._node is None:
            return ProbeResult(ok=False, output="error: Could not connect to the server")
        obstacle = self._nodes.obstacle_of(self._node)
        if obstacle:
            self.log.write(obstacle)
            self.exit(1)
            return ProbeResult(ok=False, output=obstacle)
        if self._nodes.is_warming_up(self._node):
            return ProbeResult(ok=False, output="error code: -28")
        return ProbeResult(ok=True)


_NO_FAULTS: Final = Faults()
_DISK_FULL: Final = "Error: Disk space is too low!"


def _volumes(pod: Unstructured) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = pod.at("spec.volumes") or []
    return volumes


def _release(pod: Unstructured) -> Release:
    return Release.of_image(pod.at("spec.containers")[0].get("image", "")) or DEFAULT_RELEASE


def _rpc_port(pod: Unstructured, options: Mapping[str, list[str]] | None) -> int:
    """Return the port at which a node listens: as it is told, else as in Bitcoin Core, or in the first layout."""
    flags = dict(flag.partition("=")[::2] for flag in pod.at("spec.containers")[0].get("args") or ())
    if options is None or "-rpcport" in flags:
        return int(flags.get("-rpcport", RPC_PORT))
    defaults = {"-regtest": 18443, "-signet": 38332, "-testnet4": 48332}
    ports = [*options.get("rpcport", ()), *(port for flag, port in defaults.items() if flag in flags), 8332]
    return int(ports[0])


def _read_conf(text: str) -> dict[str, list[str]]:
    """Read the options of a bitcoin.conf, those of all sections; each may be there several times."""
    options: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            options.setdefault(name.strip(), []).append(value.strip())
    return options


def _access(options: Mapping[str, list[str]]) -> Access:
    pairs = zip(options.get("rpcuser", ()), options.get("rpcpassword", ()), strict=False)
    return Access(options.get("rpcauth", ()), pairs)
