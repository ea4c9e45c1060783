"""
The command `bitcoin-controller demo`, from its options to its exit status.

It shows progress on a View; with `--output json` it prints one object on stdout. The exit status is 0 if every step
succeeded, else 1, or 128 and the number of a signal. Everything that it starts ends in reverse order.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rich.console import Console

from ctrlkit.bitcoin.controller import build
from ctrlkit.bitcoin.demo.background import Interruption, in_background, interruptible
from ctrlkit.bitcoin.demo.binary import Binary, NodeKind, choose, images_of
from ctrlkit.bitcoin.demo.environment import Ground, check_addresses, embedded, existing
from ctrlkit.bitcoin.demo.installation import NAMESPACE, Installation
from ctrlkit.bitcoin.demo.live import LiveView
from ctrlkit.bitcoin.demo.nodes import Nodes
from ctrlkit.bitcoin.demo.observer import Observer
from ctrlkit.bitcoin.demo.stage import Stage
from ctrlkit.bitcoin.demo.steps import Report, play
from ctrlkit.bitcoin.demo.view import PlainView, View
from ctrlkit.bitcoin.demo.walkthrough import Walkthrough
from ctrlkit.bitcoin.rpc import RpcClient
from ctrlkit.bitcoin.rules import NODES_MAX
from ctrlkit.fakes.cluster.node.addresses import missing_addresses
from ctrlkit.manager import GraceExceeded, Manager, Settings, connect, manager_from
from ctrlkit.manager.settings import OFF

WORKERS = 5
_SCALE_FACTOR: Final = 4
_GRACE_S = 5.0
_SURVEY_EVERY_S = 1.0


class Output(StrEnum):
    """The format of the result."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """
    The options; `most` is how many nodes it is scaled up to, None if that is the demo's choice. `kubeconfig` and
    `context` name an existing server, `port` is that of the embedded one.

    With `empty` nothing is played: the embedded cluster is there for somebody with kubectl.
    """

    nodes: int
    most: int | None
    blocks: int
    bitcoind: str
    keep: bool
    empty: bool
    output: Output
    kubeconfig: str | None
    context: str | None
    with_kubelet: bool
    port: int
    verbose: bool


async def demo(options: DemoOptions) -> int:
    """Run the demo; returns the exit status."""
    with interruptible() as interruption:
        try:
            return await _Demo(options, interruption).run()
        except asyncio.CancelledError:
            if not interruption.number:
                raise
            return 128 + interruption.number


def _most_here(nodes: int, *, are_ours: bool) -> int:
    """
    Return how many nodes to scale up to: four times as many, or as many as this machine has addresses for.

    One more is the least, whether there are addresses for it or not.
    """
    most = min(_SCALE_FACTOR * nodes, NODES_MAX)
    return max(nodes + 1, most - len(missing_addresses(most))) if are_ours else most


class _Demo:
    def __init__(self, options: DemoOptions, interruption: Interruption) -> None:
        self._options = options
        self._interruption = interruption
        self._stack = AsyncExitStack()
        self._ground = Ground("")
        self._endpoints = ""
        self._most = 0

    async def run(self) -> int:
        options = self._options
        binary = await self._binary()
        self._most = options.most or _most_here(options.nodes, are_ours=binary is not None)
        if binary is not None:
            check_addresses(options.nodes + 1 if options.empty else self._most)
        if options.empty and binary is not None:
            return await self._only_serve(binary)
        headline = binary.headline if binary else "the nodes that the cluster runs"
        report = Report(bitcoind=(binary.kind if binary else NodeKind.REAL).value, nodes=options.nodes)
        view = _view(options)
        try:
            async with view, self._stack:
                self._ground = await self._stack.enter_async_context(self._entered(binary))
                walkthrough = await self._compose(view, binary)
                steps = walkthrough.steps()
                report.planned = len(steps)
                view.begin(headline, [step.name for step in steps])
                await play(steps, observer=walkthrough.stage.observer, report=report, view=view)
                view.end(report)
                if options.keep:
                    await self._stay(walkthrough, report, view)
                self._interruption.hold_back()
        finally:
            if options.output is Output.JSON:
                sys.stdout.write(report.to_json() + "\n")
                sys.stdout.flush()
        return 0 if report.ok else 1

    async def _only_serve(self, binary: Binary) -> int:
        """Run the cluster with nothing in it, until a signal."""
        view = PlainView(sys.stdout)
        async with view, embedded(binary, port=self._options.port, namespace="default") as ground:
            view.begin(binary.headline, [])
            view.hint(
                [
                    "a cluster with nothing in it, until Ctrl-C; its images are bitcoin, bitcoind and",
                    "bitcoin-controller. Try:",
                    f"  export KUBECONFIG={ground.kubeconfig}",
                    "  bitcoin-controller manifests crd rbac secret deployment | kubectl apply -f -",
                    "  bitcoin-controller manifests network | kubectl apply -f -",
                    "  kubectl wait bitcoinnetwork my-network --for=condition=Available --timeout=2m",
                ]
            )
            await self._interruption.wait()
        return 0

    async def _binary(self) -> Binary | None:
        """Return the nodes to run; None if an existing cluster runs them."""
        if self._options.kubeconfig is not None and not self._options.with_kubelet:
            return None
        return await choose(self._options.bitcoind)

    def _entered(self, binary: Binary | None) -> AbstractAsyncContextManager[Ground]:
        if self._options.kubeconfig is not None:
            return existing(self._options.kubeconfig, context=self._options.context, kubelet=binary)
        assert binary is not None  # chosen above: nobody else runs nodes
        return embedded(binary, port=self._options.port)

    async def _compose(self, view: View, binary: Binary | None) -> Walkthrough:
        enter, machines = self._stack.enter_async_context, self._ground.machines
        client = await enter(connect(kubeconfig=self._ground.kubeconfig, context=self._options.context))
        installation = Installation(client, has_own_disks=machines is not None)
        if self._options.kubeconfig is not None:
            self._stack.push_async_callback(installation.remove, on_delay=lambda text: view.hint([text]))
        observer = Observer(client, installation.network)
        nodes = Nodes(await enter(RpcClient()), on_survey=view.nodes_seen)
        await enter(in_background(observer.run(), name="observer"))
        await enter(in_background(_keep_surveying(nodes, observer), name="survey"))
        stage = Stage(
            client=client,
            installation=installation,
            observer=observer,
            rpc=nodes,
            images=images_of(binary),
            nodes=self._options.nodes,
            blocks=self._options.blocks,
            lose_machine=machines.lose if machines is not None else None,
            boot_machine=machines.recover if machines is not None else None,
        )
        return Walkthrough(stage=stage, start_controller=self._start_controller, most=self._most)

    async def _start_controller(self) -> str:
        """Start the controller in this process, with its own connections."""
        enter = self._stack.enter_async_context
        client = await enter(connect(kubeconfig=self._ground.kubeconfig, context=self._options.context))
        bitcoind = await enter(RpcClient())
        address = "127.0.0.1:0" if self._options.keep else OFF
        settings = Settings(
            namespaces=(NAMESPACE,), grace_s=_GRACE_S, endpoints_address=address, webhooks_address="127.0.0.1:0"
        )
        manager = manager_from(settings, client)
        manager.add(build(manager, bitcoind=bitcoind, workers=WORKERS))
        await enter(in_background(_run_to_the_end(manager), name="controller"))
        for informer in manager.informers:
            await informer.wait_synced()
        self._endpoints = manager.address
        watched = ", ".join(informer.resource.plural for informer in manager.informers)
        return f"its caches of {watched} are filled; {WORKERS} workers"

    async def _stay(self, walkthrough: Walkthrough, report: Report, view: View) -> None:
        """Wait for a signal; after a successful demo, with a new network to look at."""
        if report.ok:
            await walkthrough.apply_network()
        view.hint(_hints(self._ground.kubeconfig, self._options.context, walkthrough.stage.name))
        if self._endpoints:
            view.hint([f"what the controller does, for a browser: http://{self._endpoints}/debug"])
        await self._interruption.wait()


async def _run_to_the_end(manager: Manager) -> None:
    """Run the manager; a reconcile that is cut off at the end is no failure of the demo."""
    with suppress(GraceExceeded):
        await manager.run()


async def _keep_surveying(nodes: Nodes, observer: Observer) -> None:
    while True:
        await nodes.survey(observer.nodes)
        await asyncio.sleep(_SURVEY_EVERY_S)


def _view(options: DemoOptions) -> View:
    if options.output is Output.JSON:
        return PlainView(sys.stderr)
    if sys.stdout.isatty() and not options.verbose:
        return LiveView(Console())
    return PlainView(sys.stdout)


def _hints(kubeconfig: str, context: str | None, network: str) -> list[str]:
    chosen = f"{kubeconfig} --context {context}" if context else kubeconfig
    kubectl = f"kubectl --kubeconfig {chosen} -n {NAMESPACE}"
    node = f"{network}-sts-0"
    return [
        f"staying up with network {network} in namespace {NAMESPACE}, until Ctrl-C; try, in another terminal:",
        f"  {kubectl} get bitcoinnetworks,statefulsets,pods",
        f"  {kubectl} get pods -w",
        f"  {kubectl} describe bitcoinnetwork {network}",
        f"  {kubectl} scale bitcoinnetwork {network} --replicas 5",
        f"  {kubectl} logs {node}",
        f"  {kubectl} exec {node} -- bitcoin-cli getpeerinfo",
        f"  {kubectl} delete pod {node}",
        f"  {kubectl} delete bitcoinnetwork {network}",
    ]
