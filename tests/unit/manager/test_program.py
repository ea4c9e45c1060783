"""From settings to a manager with its controllers."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from ctrlkit.cache import InformerOptions
from ctrlkit.controller import DONE, Controller, Outcome, Request, Watch, to_self
from ctrlkit.election import LeaseTimes
from ctrlkit.errors import ConfigError
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.clientset.clientset import FakeClientset
from ctrlkit.fakes.world.world import World
from ctrlkit.manager import (
    Build,
    Endpoints,
    Manager,
    Settings,
    connect,
    controllers_of,
    manager_from,
    run,
    stop_on_signals,
)
from ctrlkit.manager.program import BuildError, builds_in
from ctrlkit.model import ObjectKey
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES
from ctrlkit.names import program_name


def made(manager: Manager, name: str) -> Controller:
    async def reconcile(_request: Request) -> Outcome:
        return DONE

    return Controller(name=name, reconcile=reconcile, watches=[Watch(manager.informer(CONFIG_MAPS), to_self)])


async def test_a_manager_is_what_its_settings_say() -> None:
    """Alone unless told otherwise, and limited to the namespaces."""
    settings = Settings(namespaces=("one", "two"), endpoints_address=":9090")
    manager = manager_from(settings, FakeClientset().client)
    assert (manager.elector, manager.sharding) == (None, None)
    assert manager.endpoints == Endpoints(address=":9090")
    assert manager.informer(CONFIG_MAPS).name == "configmaps"
    assert set(manager.informer(CONFIG_MAPS).sources) == {"one", "two"}
    assert set(manager.informer(NAMESPACES).sources) == {""}
    assert manager_from(Settings(endpoints_address="off"), FakeClientset().client).endpoints is None


@pytest.mark.behaviour("L16", "M14")
async def test_a_candidate_has_a_name_of_its_own_and_its_lease_a_namespace() -> None:
    """L16: hostname and a UUID, unless named; the times are those of the settings."""
    settings = Settings(leader_elect=True, lease_name="greeter", lease_namespace="demo", lease_s=30.0, renew_s=20.0)
    electors = [manager_from(settings, FakeClientset().client).elector for _ in range(2)]
    first, second = electors
    assert first is not None
    assert second is not None
    assert first.lease == ObjectKey("demo", "greeter")
    assert first.times == LeaseTimes(lease_s=30.0, renew_s=20.0)
    assert re.fullmatch(r".+_[0-9a-f]{8}-[0-9a-f-]{27}", first.identity)
    assert first.identity != second.identity


async def test_shards_have_the_name_and_the_namespace_of_the_lease() -> None:
    """They are leases too."""
    settings = Settings(shards=4, lease_name="greeter", lease_namespace="demo", identity="me")
    manager = manager_from(settings, FakeClientset().client)
    assert manager.elector is None
    assert manager.sharding is not None
    status = manager.sharding.status()
    assert (status.name, status.identity, status.shards) == ("greeter", "me", 4)
    assert {elector.lease.namespace for elector in manager.sharding.electors} == {"demo"}


@pytest.mark.behaviour("L16")
async def test_outside_a_pod_the_namespace_of_the_lease_must_be_named() -> None:
    """L16: the error says how."""
    settings = Settings(leader_elect=True, lease_name="greeter")
    with pytest.raises(ConfigError, match=r"find the namespace of lease greeter: .*--lease-namespace, CTRLKIT_LEASE_"):
        manager_from(settings, FakeClientset().client)


async def test_build_functions_make_one_controller_or_several() -> None:
    """One function or a list of them; what is no controller is named with its function."""
    manager = Manager(FakeClientset().client)

    def one(manager: Manager) -> Controller:
        return made(manager, "one")

    def two(manager: Manager) -> list[Controller]:
        return [made(manager, "two"), made(manager, "three")]

    def wrong(manager: Manager) -> list[object]:
        return [made(manager, "four"), "five"]

    assert [controller.name for controller in controllers_of(one, manager)] == ["one"]
    assert [controller.name for controller in controllers_of([one, two], manager)] == ["one", "two", "three"]
    assert controllers_of([], manager) == []
    with pytest.raises(TypeError, match=r"wrong returned list; return the Controller it makes, or several in a list"):
        controllers_of(wrong, manager)  # type: ignore[arg-type]


@pytest.mark.behaviour("M13")
@pytest.mark.real_time
async def test_signal_handlers_are_installed_once() -> None:
    """M13: whoever wants the stop too shares the one event."""
    with stop_on_signals(), pytest.raises(RuntimeError, match="they are installed already; share the one stop event"):
        stop_on_signals().__enter__()
    with stop_on_signals():
        pass


async def test_namespaces_of_a_manager_that_are_one_text_are_refused() -> None:
    """Its letters would be taken for namespaces."""
    client = FakeClientset().client
    with pytest.raises(TypeError, match="namespaces is the text 'demo'"):
        Manager(client, namespaces="demo")
    manager = Manager(client)
    with pytest.raises(TypeError, match="namespaces is the text 'demo'"):
        manager.informer(CONFIG_MAPS, InformerOptions(namespaces="demo"))
    with pytest.raises(TypeError, match="namespaces is the text 'demo'"):
        async with manager.borrow_informer(CONFIG_MAPS, InformerOptions(namespaces="demo")):
            pass


@pytest.mark.parametrize("builds", [(), ([],)])
def test_a_program_without_builds_is_refused_in_one_line(
    builds: tuple[list[Build], ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether nothing is given or an empty list."""
    with pytest.raises(SystemExit) as caught:
        run(*builds, settings=Settings())
    assert caught.value.code == 1
    said = capsys.readouterr().err
    assert "run: there is nothing to run; give it a build function" in said
    assert said.count("\n") == 1


async def test_builds_may_come_in_lists_among_others() -> None:
    """As `ctrlkit run` takes them."""

    def one(manager: Manager) -> Controller:
        return made(manager, "one")

    def two(manager: Manager) -> Controller:
        return made(manager, "two")

    assert builds_in([one, [two, one]]) == (one, two, one)


async def test_what_makes_no_controllers_is_foreseen() -> None:
    """So a program tells it in one line: nothing returned, a coroutine, something else among them."""
    manager = Manager(FakeClientset().client)

    async def waits(manager: Manager) -> Controller:
        return made(manager, "late")

    def forgets(_manager: Manager) -> None:
        pass

    for build, said in [(waits, "waits is async; write it with `def`"), (forgets, "forgets returned NoneType")]:
        with pytest.raises(BuildError, match=said):
            controllers_of(build, manager)  # type: ignore[arg-type]
    assert issubclass(BuildError, ConfigError)


async def test_what_is_written_is_owned_by_whom_the_settings_name() -> None:
    """Else by whom the client names; a connection has the name as well."""
    client = FakeClientset().client
    assert manager_from(Settings(), client).client is client
    manager = manager_from(Settings(field_manager="greeting"), client)
    assert (manager.client.field_manager, manager.client.transport) == ("greeting", client.transport)


async def test_a_connection_has_the_name_of_its_program(
    clientset: FakeClientset, api_server: ApiServer, tmp_path: Path
) -> None:
    """Its own, or the one it is given."""
    kubeconfig = str(tmp_path / "kubeconfig")
    api_server.write_kubeconfig(tmp_path / "kubeconfig")
    for name in ("", "greeting"):
        async with connect(kubeconfig=kubeconfig, field_manager=name) as client:
            assert client.field_manager == (name or program_name())
            made = await client.create(
                CONFIG_MAPS, {"metadata": {"name": f"a{name}", "namespace": "default"}, "data": {"a": "1"}}
            )
        assert [entry["manager"] for entry in made["metadata"]["managedFields"]] == [name or program_name()]


@pytest.mark.parametrize("name", ["a" * 129, "a\nb"])
def test_a_name_that_no_server_takes_is_refused(name: str) -> None:
    """Before anything is asked of one."""
    with pytest.raises(ConfigError, match="cannot be the field_manager"):
        Settings(field_manager=name)


async def test_in_a_world_a_program_is_called_as_its_module_whoever_runs_the_test(world: World) -> None:
    """So replicas are one owner; a setting comes first."""

    def build(manager: Manager) -> Controller:
        return made(manager, "one")

    replicas = [world.manage(functools.partial(build), name=name) for name in ("first", "second")]
    assert {manager.client.field_manager for manager in replicas} == {__name__}
    named = world.manage(build, settings=Settings(field_manager="greeting"), name="third")
    assert named.client.field_manager == "greeting"
