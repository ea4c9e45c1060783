"""Each symptom of the page on troubleshooting is produced, and looks as it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from ctrlkit import (
    DONE,
    Client,
    Context,
    EventType,
    ObjectMeta,
    Outcome,
    RetryLater,
    Settings,
    TerminalError,
    custom_resource,
    reconciler,
    validating,
)
from ctrlkit.cli import main
from ctrlkit.crd import definition_of
from ctrlkit.errors import ConfigError, DecodeError, Forbidden, InternalError, NotSynced
from ctrlkit.fakes import Calls, NeverSettled, World
from ctrlkit.manager.decorator import ReconcilerFunction
from ctrlkit.manager.definitions import tell_disagreements
from ctrlkit.model import MergePatch, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, EVENTS
from ctrlkit.telemetry import LogFormat, LogLevel, configure_logging
from ctrlkit.webhooks import Review
from tests.operate.symptoms import missing, quoted
from tests.support.snippets import ROOT

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}


class Spec(msgspec.Struct, frozen=True, rename="camel"):
    """What a user wants."""

    text: str = ""
    max_size: int = 1


class MistakenSpec(msgspec.Struct, frozen=True):
    """The same, without its rename."""

    text: str = ""
    max_size: int = 1


class Note(msgspec.Struct, frozen=True):
    """A note."""

    metadata: ObjectMeta
    spec: Spec = Spec()
    status: dict[str, str] = {}


class MistakenNote(msgspec.Struct, frozen=True):
    """The same, mistaken."""

    metadata: ObjectMeta
    spec: MistakenSpec = MistakenSpec()


NOTES = custom_resource(group="example.com", kind="Note", plural="notes").of(Note)
MISTAKEN = custom_resource(group="example.com", kind="Note", plural="notes").of(MistakenNote)
Symptom = Callable[[World], Awaitable[str | None]]
SYMPTOMS: dict[str, Symptom] = {}
ELSEWHERE = {
    "It finds no API server",
    "A setting or a name is wrong",
    "The pod was killed",
    "The server's certificate is not trusted",
    "The credentials are refused",
    "A right is missing",
    "The port is taken",
    "Everything stands still for seconds",
    "/debug answers 403",
    "A value of a bitcoin network is of the wrong type",
    "Nodes of a bitcoin network do not run",
    "A rollout does not go on",
    "The nodes do not see each other",
    "Nodes wait for their credentials",
}
"""Those that have tests of their own, here, in test_troubleshooting_processes.py or tests/bitcoin; none kills pods."""


def symptom(title: str) -> Callable[[Symptom], Symptom]:
    """Let a function produce what a section quotes: it logs it, or returns it."""

    def register(function: Symptom) -> Symptom:
        SYMPTOMS[title] = function
        return function

    return register


def note(name: str = "a", **spec: object) -> dict[str, Any]:
    """A Note."""
    metadata = {"name": name, "namespace": "demo"}
    return {"apiVersion": "example.com/v1", "kind": "Note", "metadata": metadata, "spec": spec}


def config_map(name: str = "a", **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "demo"}, "data": data}


def notes(body: Callable[[Note, Context], Awaitable[object]], **options: Any) -> ReconcilerFunction[Note]:
    """A controller of Notes called `notes` that does this, and then is done."""

    async def act(found: Note, context: Context) -> Outcome:
        await body(found, context)
        return DONE

    return reconciler(NOTES, name="notes", **options)(act)


async def nothing(_note: Note, _context: Context) -> None:
    """Has nothing to do."""


@pytest.fixture
def log() -> Iterator[None]:
    """Lines go to standard error as a program writes them."""
    configure_logging(LogFormat.CONSOLE, LogLevel.INFO)
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("title", sorted(set(quoted()) - ELSEWHERE))
async def test_what_the_page_quotes_is_printed(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each section's lines, by a program in the state that it tells of."""
    returned: str | None = ""
    with suppress(NotSynced, ConfigError):  # what ends a program ends its world too
        async with World() as world:
            returned = await SYMPTOMS[title](world)
            world.allow_failures()
    captured = capsys.readouterr()
    assert quoted()[title], f"the section {title} quotes nothing"
    assert missing(title, f"{returned}\n{captured.out}\n{captured.err}") == []


def test_each_section_is_produced() -> None:
    """And nothing is produced that no section quotes."""
    assert sorted([*SYMPTOMS, *ELSEWHERE]) == sorted(quoted())


def test_commands_that_do_not_get_as_far_as_a_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a kubeconfig; with a value that is none, and a file that is not there."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "CTRLKIT_KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "greeting.py").write_text((ROOT / "examples" / "ex1_greeting.py").read_text())
    monkeypatch.chdir(tmp_path)
    assert main(["run", "greeting.py", "--endpoints-address", "off"]) == 1
    assert main(["run", "greeting.py", "--grace-s", "abc"]) == 2
    assert main(["run", "greting.py"]) == 2
    printed = capsys.readouterr().err
    assert missing("It finds no API server", printed) + missing("A setting or a name is wrong", printed) == []


@symptom("A kind is missing")
async def no_kind(world: World) -> None:
    """Nothing serves Notes."""
    world.manage(notes(nothing))
    await world.settle()


@symptom("Another replica leads")
async def another_leads(world: World) -> None:
    """Two replicas."""
    world.serve(NOTES)
    settings = Settings(leader_elect=True, lease_name="notes")
    for name in ("first", "second"):
        world.manage(notes(nothing), settings=settings, name=name)
        await world.settle()


@symptom("The number of shards is another one")
async def other_shards(world: World) -> None:
    """One replica was told 4, the other 8."""
    world.serve(NOTES)
    world.manage(notes(nothing), settings=Settings(shards=4, lease_name="n"), name="first")
    await world.settle()
    world.manage(notes(nothing), settings=Settings(shards=8, lease_name="n"), name="second")
    await world.settle()


@symptom("A child changes, and nobody looks")
async def no_owner(world: World) -> None:
    """A child is made by hand, without its owner."""
    world.serve(NOTES)
    world.seed(note())

    async def make(_note: Note, context: Context) -> None:
        if context.lister(CONFIG_MAPS).find(context.key) is None:
            await context.client.create(CONFIG_MAPS, config_map())

    world.manage(notes(make, owns=[CONFIG_MAPS]))
    await world.settle()


@symptom("An object changes, and nobody looks")
async def not_seen(world: World) -> None:
    """The object is in a namespace that is not watched."""
    world.serve(NOTES)
    world.seed(note())
    world.manage(notes(nothing), settings=Settings(namespaces=("other",)))
    await world.settle()


@symptom("Fields have their defaults, whatever users write")
async def forgotten_rename(world: World) -> None:
    """What a program says at its start."""
    await world.define(definition_of(NOTES))
    await tell_disagreements(world.client, [MISTAKEN])


@symptom("An object cannot be read")
async def unreadable(world: World) -> None:
    """A number in the place of a text."""
    world.serve(NOTES)
    world.seed(note(text=3))
    world.manage(notes(nothing))
    world.allow_failures(DecodeError)
    await world.pass_time("1s")


@symptom("A deletion does not end")
async def deletion_waits(world: World) -> None:
    """What the finalizer needs is away."""
    world.serve(NOTES)
    world.seed(note("b"))
    controller = notes(nothing)

    @controller.finalizer("example.com/outside")
    async def take_away(_note: Note, _context: Context) -> Outcome:
        raise ConnectionRefusedError("the service does not answer")

    world.manage(controller)
    await world.settle()
    await world.client.delete(NOTES, "demo/b")
    await world.pass_time("1s")


@symptom("A child is refused: the quota is used up")
async def quota_used_up(world: World) -> None:
    """One ConfigMap is allowed, and it is there."""
    world.serve(NOTES)
    hard = {"configmaps": "1"}
    metadata = {"name": "small", "namespace": "demo"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
    world.seed(note(), config_map("b"), {**quota, "status": {"hard": hard, "used": hard}})

    async def make(_note: Note, context: Context) -> None:
        await context.client.create(CONFIG_MAPS, config_map())

    world.manage(notes(make))
    await world.pass_time("1s")


@symptom("Two programs want the same field")
async def field_of_another(world: World) -> None:
    """Helm has applied it before."""
    world.serve(NOTES)
    world.seed(note())
    helm = Client(world.client.transport, field_manager="helm")
    await helm.apply(CONFIG_MAPS, "demo/a", {"data": {"text": "theirs"}})

    async def take(_note: Note, context: Context) -> None:
        await context.client.apply(CONFIG_MAPS, context.key, {"data": {"text": "ours"}})

    world.manage(notes(take))
    await world.pass_time("1s")


@symptom("Conflicts come again and again")
async def conflicts(world: World) -> None:
    """Somebody writes in between, twice."""
    world.serve(NOTES)
    world.seed(note(), config_map())

    async def update(_note: Note, context: Context) -> None:
        found = await context.client.get(CONFIG_MAPS, context.key)
        if context.request.attempt < 3:
            theirs = MergePatch({"data": {"a": str(context.request.attempt)}})
            await world.client.patch(CONFIG_MAPS, context.key, theirs)
        await context.client.update(CONFIG_MAPS, Unstructured({**found, "data": {"b": "1"}}))

    world.manage(notes(update))
    await world.settle()


@symptom("One fails again and again")
async def bug(world: World) -> None:
    """A name that is not there."""
    world.serve(NOTES)
    world.seed(note())

    async def read(found: Note, _context: Context) -> None:
        getattr(found.spec, "absent")  # noqa: B009 - the mistake

    world.manage(notes(read))
    world.allow_failures(AttributeError)
    await world.pass_time("1s")


@symptom("One waits")
async def waits(world: World) -> None:
    """A service that refuses connections."""
    world.serve(NOTES)
    world.seed(note())

    async def ask(_note: Note, _context: Context) -> None:
        raise RetryLater("the DNS does not answer", after_s=30) from ConnectionRefusedError(111, "refused")

    world.manage(notes(ask))
    await world.pass_time("1s")


@symptom("One has given up")
async def given_up(world: World) -> None:
    """Until a user corrects it."""
    world.serve(NOTES)
    world.seed(note())

    async def refuse(_note: Note, _context: Context) -> None:
        raise TerminalError("spec.text: no such text; correct it")

    world.manage(notes(refuse))
    await world.settle()


@symptom("It never comes to rest")
async def restless(world: World) -> None:
    """A counter in the status."""
    await world.define(definition_of(NOTES))
    world.seed(note())

    async def count(found: Note, context: Context) -> None:
        await context.set_status({"looks": str(int(found.status.get("looks", "0")) + 1)})
        await asyncio.sleep(10)

    world.manage(notes(count))
    with pytest.raises(NeverSettled, match="notes"):
        await world.settle()


@symptom("One does not end")
async def endless(world: World) -> None:
    """One without a time limit, and one with."""
    world.serve(NOTES)
    world.seed(note())

    async def wait(_note: Note, _context: Context) -> None:
        await asyncio.Event().wait()

    first = world.manage(notes(wait), name="first")
    await world.pass_time("61s")
    await world.crash(first)
    world.manage(notes(wait, timeout_s=30), name="second")
    await world.pass_time("31s")


@symptom("The API server is away")
async def outage(world: World) -> None:
    """For a minute."""
    world.serve(NOTES)
    world.manage(notes(nothing))
    await world.settle()
    with world.faults.outage(Calls()):
        await world.pass_time("1m")
    await world.pass_time("1m")


@symptom("A webhook is not reached")
async def webhook_away(world: World) -> str:
    """Its program has crashed."""
    await world.define(definition_of(NOTES))
    world.seed(NAMESPACE)

    @validating(NOTES)
    def check(_note: Note, _review: Review[Note]) -> None:
        """Let everything through."""

    manager = world.manage(check)
    await world.settle()
    await world.crash(manager)
    with pytest.raises(InternalError) as refused:
        await world.client.create(NOTES, note())
    return str(refused.value)


@symptom("Events are missing")
async def no_events(world: World) -> None:
    """The role lacks them."""
    world.serve(NOTES)
    world.seed(note())
    reason = 'events.events.k8s.io is forbidden: User "x" cannot create resource "events" in API group "events.k8s.io"'
    world.faults.fail(Calls("create", EVENTS), Forbidden(reason), times=None)

    async def tell(_note: Note, context: Context) -> None:
        context.event(EventType.NORMAL, "Looked", "looked")

    world.manage(notes(tell))
    await world.settle()


@symptom("settle() fails")
async def never_settled(world: World) -> str:
    """A reconcile that fails."""
    world.serve(NOTES)
    world.seed(note())

    async def refuse(_note: Note, _context: Context) -> None:
        raise ConnectionRefusedError("the service does not answer")

    world.manage(notes(refuse))
    with pytest.raises(NeverSettled) as failed:
        await world.settle()
    return str(failed.value)
