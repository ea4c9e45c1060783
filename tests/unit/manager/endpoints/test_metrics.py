"""
One manager against one server over HTTP, to which everything happens that is counted (row B19).

The pictures taken on the way must differ in every family that there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import aiohttp
import msgspec
import pytest
import trustme
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from ctrlkit import Review, conversion, validating
from ctrlkit.cache import InformerOptions, handlers
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.controller import DONE, Controller, Outcome, Request, RequeueAfter, Watch, to_self
from ctrlkit.election import Elector
from ctrlkit.errors import Conflict, Forbidden, RetryLater, TerminalError
from ctrlkit.events import EventType
from ctrlkit.fakes import Calls, World
from ctrlkit.fakes.apiserver import ApiServer, Security
from ctrlkit.manager import Manager
from ctrlkit.manager.endpoints import Endpoints
from ctrlkit.manager.endpoints.metrics import registry
from ctrlkit.manager.webhooks.metrics import CertificateFacts
from ctrlkit.manager.webhooks.server import WebhookServer
from ctrlkit.model import MergePatch, ObjectKey, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, LEASES, SECRETS, SERVICES
from ctrlkit.wire.endpoint import Endpoint
from ctrlkit.wire.transport import RestTransport
from tests.support.bad_line import BadLine
from tests.support.greetings import GREETINGS, greeting

CONSTANT = {"controller_runtime_max_concurrent_reconciles", "ctrlkit_info"}
THEIRS = ("python_", "process_")
"""What the interpreter and the system count, and move when they like; that it is there is enough."""


class Spec(msgspec.Struct, frozen=True):
    """Of a greeting."""

    text: str


class Greeting(msgspec.Struct, frozen=True):
    """Typed, so that one may not fit."""

    spec: Spec


@dataclass
class Scene:
    """What takes part, and the values seen so far: of each family each sample, in each picture."""

    world: World
    line: BadLine
    manager: Manager
    pair: tuple[Path, Path]
    seen: list[dict[str, dict[str, float]]] = field(default_factory=list)
    own: CollectorRegistry | None = None

    def look(self) -> None:
        """Take a picture without the loop going on meanwhile."""
        self.own = self.own or registry(self.manager)
        self._keep({family.name: {str(s[:2]): s.value for s in family.samples} for family in self.own.collect()})

    async def scrape(self) -> str:
        """Take one as Prometheus does."""
        url = f"https://{self.manager.address}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url, ssl=False) as answer:
            text = await answer.text()
        families = text_string_to_metric_families(text)
        self._keep({family.name: {str(s[:2]): s.value for s in family.samples} for family in families})
        return text

    def moved(self) -> set[str]:
        """The families of which a sample was once other than in the first picture, or than 0 if it came later."""
        first = self.seen[0]
        return {
            name
            for picture in self.seen
            for name, samples in picture.items()
            if any(value != first.get(name, {}).get(sample, 0) for sample, value in samples.items())
        }

    def _keep(self, picture: dict[str, dict[str, float]]) -> None:
        self.seen.append(picture)


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A world, its server over HTTP, and a manager that leads, serves TLS and has two controllers."""
    pair = (tmp_path / "tls.crt", tmp_path / "tls.key")
    write_pair(pair)
    names = ("good", "later", "bug", "final", "conflict", "long", "waits")
    async with World(*map(greeting, names), greeting("stuck", namespace="slow"), kinds=[GREETINGS]) as world:
        world.allow_failures()
        world.seed({**greeting("unfit"), "spec": {"text": 7}})
        line = BadLine(world.clientset)
        async with (
            ApiServer(line, world.tracker.registry, security=Security.INSECURE).serve() as server,
            RestTransport(Endpoint(server=server.url)) as transport,
        ):
            client = Client(transport)
            elector = Elector(client, ObjectKey("demo", "greeter"), identity="me")
            options = Endpoints(address="127.0.0.1:0", tls_cert=str(pair[0]), tls_key=str(pair[1]))
            manager = Manager(client, elector=elector, endpoints=options)
            manager.add(greeter(manager))
            manager.add(sleeper(manager))
            made = Scene(world, line, manager, pair)
            made.look()
            world.start(manager)
            try:
                yield made
            finally:
                await world.crash(manager)


def write_pair(pair: tuple[Path, Path]) -> None:
    leaf = trustme.CA().issue_cert("127.0.0.1")
    pair[0].write_bytes(leaf.cert_chain_pems[0].bytes())
    pair[1].write_bytes(leaf.private_key_pem.bytes())


def greeter(manager: Manager) -> Controller:
    """Reconciles as the name of the key says."""
    greetings, config_maps = manager.informer(GREETINGS.of(Greeting)), manager.informer(CONFIG_MAPS)

    async def reconcile(request: Request) -> Outcome:
        if request.name != "good":
            return await ends(request)
        metadata = {"name": request.name, "namespace": request.namespace}
        if config_maps.lister.find(request.key) is None:
            await manager.client.create(CONFIG_MAPS, {"metadata": metadata})
        elif request.causes == ("woken",):
            await manager.client.patch(CONFIG_MAPS, request.key, MergePatch({"data": {"woken": request.id}}))
        return DONE

    def broken(record: Any) -> list[ObjectKey]:
        raise LookupError(record.key)

    watches: list[Watch[Any]] = [
        Watch(greetings, to_self),
        Watch(config_maps, to_self),
        Watch(manager.informer(SERVICES), broken),
    ]
    return Controller(name="greetings", reconcile=reconcile, watches=watches, workers=2, timeout_s=5)


async def ends(request: Request) -> Outcome:
    """In every way that a reconcile can end."""
    match request.name:
        case "later":
            return RequeueAfter(20)
        case "waits":
            raise RetryLater("the DNS does not answer")
        case "bug":
            raise KeyError("spec")
        case "final":
            raise TerminalError("never")
        case "conflict" if request.attempt < 3:
            raise Conflict("it changed")
        case "long":
            await asyncio.sleep(3600)
    return DONE


def sleeper(manager: Manager) -> Controller:
    """Takes its time."""

    async def reconcile(_request: Request) -> Outcome:
        await asyncio.sleep(3600)
        return DONE

    return Controller(
        name="sleeper",
        reconcile=reconcile,
        watches=[Watch(manager.informer(GREETINGS, InformerOptions(namespaces=["slow"])), to_self)],
    )


async def trouble_with_caches(on: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that may not be listed, a line without a name, an index and a handler that raise, one that is late."""
    on.world.faults.fail(Calls("list", SECRETS), Forbidden("no"), times=3)
    on.world.faults.fail(Calls("watch", SECRETS), Forbidden("no"), times=3)
    on.manager.informer(SECRETS)
    config_maps = next(each for each in on.manager.informers if each.name == "configmaps")
    config_maps.add_index("broken", lambda record: [(record.meta.labels or {})["no such"]])

    def raises(_: object) -> None:
        raise RuntimeError("no")

    config_maps.add_handler(raises, name="raises")
    late = config_maps.add_handler(lambda _: None, name="late")
    await on.world.pass_time(2)
    on.look()
    on.line.send(b'{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{}}}')
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "demo"}}
    on.world.seed({**service, "spec": {"ports": [{"port": 80}]}})
    await on.world.pass_time(2)
    told: list[object] = []
    config_maps.add_handler(told.append, name="gone")
    with monkeypatch.context() as patch:
        patch.setattr(handlers, "monotonic", lambda: monotonic() + 3)  # something holds the loop for 3 s
        on.look()
    config_maps.remove_handler(late)
    gone = config_maps.add_handler(told.append, name="gone at once")
    config_maps.remove_handler(gone)
    await on.world.pass_time(30)


async def trouble_with_writes(on: Scene) -> None:
    """What was written does not show: once for a while, once for longer than anybody waits."""
    controller, key = on.manager.controllers[0], ObjectKey("demo", "good")
    for silence_s in (3, 15):
        with on.world.faults.stall_watches(Calls("watch", CONFIG_MAPS)):
            controller.wake(key)
            await on.world.pass_time(1)
            controller.wake(key)
            await on.world.pass_time(silence_s)
            on.look()
        await on.world.pass_time(5)


async def trouble_with_events(on: Scene) -> None:
    """Too many, too similar, one that is refused, and what a later count makes good."""
    recorder = on.manager.recorder("greeter")
    about = on.world.tracker.get(GREETINGS, "demo/good").metadata

    def say(message: str) -> None:
        recorder.event(about, GREETINGS, EventType.NORMAL, "Greeted", message)

    for number in range(27):
        say(f"message {number % 11}")
    on.look()
    await on.world.pass_time(10)
    on.world.faults.fail(Calls("create", "events"), Forbidden("no"))
    say("nobody hears")
    await on.world.pass_time(300)
    recorder.event(on.world.tracker.get(GREETINGS, "demo/bug").metadata, GREETINGS, EventType.WARNING, "No", "lost")
    await on.world.pass_time(300)
    say("message 0")
    await on.world.pass_time(10)


async def trouble_with_the_lease(on: Scene) -> None:
    """A renewal that fails, and one that another write came before."""
    on.world.faults.fail(Calls("update", LEASES), Conflict("somebody wrote"), times=1)
    await on.world.pass_time(5)
    on.world.faults.fail(Calls("update", LEASES), Forbidden("no"), times=1)
    await on.world.pass_time(5)


async def trouble_with_work(on: Scene) -> None:
    """A key that never ends, is wanted again meanwhile, and is cut off."""
    sleeper = on.manager.controllers[1]
    sleeper.wake(ObjectKey("slow", "stuck"))
    await on.world.pass_time(70)
    on.look()
    assert [str(key) for key in sleeper.running] == ["slow/stuck"]
    sleeper.cut_off(lambda _: True)
    await on.world.pass_time(2)


class Serving:
    """Stands for the server of webhooks."""

    def __init__(self, count: int) -> None:
        self._count = count

    def statistics(self) -> CertificateFacts:
        """Certificates that come and end."""
        return CertificateFacts(float(self._count), {"Issue": self._count}, {"Patch": self._count})


async def trouble_with_webhooks(on: Scene) -> None:
    """A function that waits while it is looked at, and two that raise."""

    @validating(GREETINGS)
    async def fail(_greeting: object, _review: Review[Unstructured]) -> None:
        on.look()
        raise ZeroDivisionError

    @conversion(GREETINGS, to=replace(GREETINGS, version="v9"))
    def forth(_greeting: object) -> Unstructured:
        raise ZeroDivisionError

    @conversion(replace(GREETINGS, version="v9"), to=GREETINGS)
    def back(_greeting: object) -> Unstructured:
        raise AssertionError

    webhooks = on.manager.webhooks
    for each in (fail, forth, back):
        webhooks.add(each)
    head = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}
    body = msgspec.json.encode({**head, "request": {"uid": "1", "operation": "CREATE", "object": {}}})
    await webhooks.answer(fail.path, body)
    obj = {"apiVersion": GREETINGS.api_version, "kind": GREETINGS.kind}
    request = {"uid": "1", "desiredAPIVersion": f"{GREETINGS.group}/v9", "objects": [obj]}
    head = {"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1"}
    for count in (1, 2):
        on.manager.webhook_server = cast(WebhookServer, Serving(count))
        on.look()
    on.manager.webhook_server = None
    await webhooks.answer("/convert", msgspec.json.encode({**head, "request": request}))


@pytest.mark.behaviour("B19", "K15", "Q17", "L15", "C7", "R26", "W11")
async def test_each_metric_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every family of a live registry is in every scrape, and none is dead."""
    async with scene(tmp_path) as on:
        await on.world.pass_time(2)
        on.look()
        await on.scrape()
        await trouble_with_caches(on, monkeypatch)
        await trouble_with_writes(on)
        await trouble_with_events(on)
        await trouble_with_the_lease(on)
        await trouble_with_work(on)
        await trouble_with_webhooks(on)
        on.pair[1].write_text("no key")
        await on.scrape()
        text = await on.scrape()
    families = {family.name for family in text_string_to_metric_families(text)}
    assert families == set(on.seen[-1])
    dead = families - on.moved() - CONSTANT
    assert {name for name in dead if not name.startswith(THEIRS)} == set()
