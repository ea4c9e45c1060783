"""
The pytest plugin: fixtures, markers, and virtual time for the tests that use them.

    world        a World on virtual time; `@pytest.mark.world(...)` passes arguments to it
    world_sync   the same for a test that is no coroutine
    clientset    a FakeClientset; in a test with a world, the world's
    api_server   an ApiServer for that clientset, on a free port of 127.0.0.1
    cluster      a LiveWorld: a new namespace on a real cluster; for tests marked `cluster`
    control_plane  a ControlPlane: real etcd and kube-apiserver, for all tests of the session; skips if there are none
    each_world   the test runs in a World, in a LiveWorld on our API server, and on real ones that pytest is told of

A test runs on virtual time if it uses world, clientset or api_server, or is marked `virtual_time`, unless it is marked
`real_time` or `cluster`. If pytest-asyncio runs the test, it gets the loop through its own hook; otherwise this plugin
runs it. All other tests keep their loop, policy and runner. Nothing is imported before use.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ctrlkit.fakes.apiserver import ApiServer
    from ctrlkit.fakes.clientset.clientset import FakeClientset
    from ctrlkit.fakes.controlplane import ControlPlane
    from ctrlkit.fakes.world.live import LiveWorld
    from ctrlkit.fakes.world.sync import SyncWorld
    from ctrlkit.fakes.world.world import World

_RUNNER = "_ctrlkit_runner"
"""The fixture that all others here depend on: a test that has it among its fixtures uses one of them."""

_SET_UP = pytest.StashKey[pytest.Item]()
"""The test that is set up, or was last."""

_FAILURE = pytest.StashKey[BaseException]()
"""With what a test failed."""

_WHAT_HAPPENED = "what happened last in the world"

_EACH_WORLD = "each_world"
_REAL = {"control_plane": "--control-plane", "cluster": "--kubeconfig"}
"""The real servers on which such a test runs, each if its option is given."""

_MARKERS = (
    "virtual_time: runs on a loop whose time jumps from timer to timer (ctrlkit.fakes.VirtualTimeLoop)",
    "real_time: runs on the real clock, because real processes or sockets set the pace",
    "world(*objects, kinds=(), cluster=(), images={}, seed=None, server=..., ...): what world and world_sync are made "
    "of; a text among the objects names a file or folder, beside the test",
    "refusal: is about what roles do not allow, so that --rbac-write and --rbac-check count nothing of it",
    "cluster: needs a real cluster; runs only with --kubeconfig",
)

_RIGHTS_OPTIONS = (
    ("--rbac-write", "FILE", "write the least roles for what the managers of all worlds did"),
    ("--rbac-check", "FILE", "fail if the roles in FILE lack what the managers of all worlds did"),
    ("--rbac-name", "NAME", "what the written roles are called [controller]"),
    ("--rbac-namespace", "NAME", "the program's own namespace [default]"),
    ("--rbac-manager", "NAME", "look at those of world.manage(..., name=NAME) alone"),
)

_Factories = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("ctrlkit", "tests of Kubernetes controllers")
    group.addoption(
        "--kubeconfig",
        metavar="FILE",
        help="run the tests marked cluster, and those of each_world, against its current context",
    )
    group.addoption(
        "--control-plane",
        action="store_true",
        help="run the tests that use each_world on real etcd and kube-apiserver too, from $KUBEBUILDER_ASSETS",
    )
    for name, metavar, text in _RIGHTS_OPTIONS:
        group.addoption(name, metavar=metavar, default="", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if config.getoption("--rbac-write") or config.getoption("--rbac-check"):
        from ctrlkit.fakes.pytest.rights import RightsGatherer  # noqa: PLC0415

        config.pluginmanager.register(RightsGatherer(config))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses `each_world` once for each."""
    if _EACH_WORLD in metafunc.fixturenames:
        real = [name for name, option in _REAL.items() if metafunc.config.getoption(option)]
        metafunc.parametrize(_EACH_WORLD, ["world", "api_server", *real], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked `cluster` unless --kubeconfig is given."""
    if config.getoption("--kubeconfig"):
        return
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.skip(reason="needs a real cluster: name one with --kubeconfig FILE"))


# ---- the loop --------------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_asyncio_loop_factories(item: pytest.Item) -> _Factories | None:
    """Give pytest-asyncio a virtual loop for the tests that need one, whatever the user chose for the others."""
    if not _wants_virtual_time(item):
        return None
    from ctrlkit.fakes.loop import VirtualTimeLoop  # noqa: PLC0415

    if _EACH_WORLD not in getattr(item, "fixturenames", ()):
        return {"virtual": VirtualTimeLoop}

    def loop_of_the_world() -> asyncio.AbstractEventLoop:
        """Make the loop of the test that is set up now; pytest-asyncio asks once for all that a function stands for."""
        return VirtualTimeLoop() if _wants_virtual_time(item.config.stash[_SET_UP]) else asyncio.new_event_loop()

    return {"each": loop_of_the_world}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember which test is set up; fail one that another plugin runs on a loop of its own, or that none can run."""
    item.config.stash[_SET_UP] = item
    is_coroutine = inspect.iscoroutinefunction(getattr(item, "obj", None))
    if is_coroutine and _is_in_a_block():
        pytest.fail(
            "run a test that is a coroutine: a fixture of a wider scope is in a World.sync() block, whose loop counts "
            "as running; give that fixture the scope function, or move this test to another module",
            pytrace=False,
        )
    if is_coroutine and _is_ours(item) and "anyio_backend" in getattr(item, "fixturenames", ()):
        pytest.fail(
            "run the test on virtual time: it is marked anyio, which runs it on a loop of its own; remove the mark, so "
            "that ctrlkit's plugin runs it",
            pytrace=False,
        )


def _is_in_a_block() -> bool:
    """Whether the block of a world for plain functions is open."""
    module, loop = sys.modules.get("ctrlkit.fakes.loop"), asyncio._get_running_loop()
    return module is not None and isinstance(loop, module.VirtualTimeLoop) and not loop.is_running()


@pytest.hookimpl(trylast=True, optionalhook=True, specname="pytest_asyncio_loop_factories")
def pytest_asyncio_usual_loop(item: pytest.Item) -> _Factories:
    """Choose asyncio's loop where no other hook does, because pytest-asyncio requires a result."""
    return {"asyncio": asyncio.new_event_loop}


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Run a test that uses this plugin and that no other plugin runs."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or not _is_ours(pyfuncitem):
        return None
    values = pyfuncitem.funcargs
    arguments = {name: values[name] for name in inspect.signature(pyfuncitem.obj).parameters if name in values}
    if isinstance(given := values.get(_RUNNER), asyncio.Runner):
        given.run(pyfuncitem.obj(**arguments))
    else:
        with _runner_for(pyfuncitem) as runner:
            runner.run(pyfuncitem.obj(**arguments))
    return True


def _is_ours(item: pytest.Item) -> bool:
    return item.get_closest_marker("virtual_time") is not None or _RUNNER in getattr(item, "fixturenames", ())


def _wants_virtual_time(item: pytest.Item) -> bool:
    given = getattr(item, "callspec", None)
    is_real = given is not None and given.params.get(_EACH_WORLD, "world") != "world"
    return (
        _is_ours(item)
        and not is_real
        and not item.get_closest_marker("real_time")
        and not item.get_closest_marker("cluster")
    )


def _runner_for(item: pytest.Item) -> asyncio.Runner:
    if not _wants_virtual_time(item):
        return asyncio.Runner()
    from ctrlkit.fakes.loop import VirtualTimeLoop  # noqa: PLC0415

    return asyncio.Runner(loop_factory=VirtualTimeLoop)


# ---- fixtures --------------------------------------------------------------------------------------------------------


@pytest.fixture(name=_RUNNER)
def runner_of_the_test(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """The runner of the test itself: pytest-asyncio's if it runs the test, else a new one."""
    _require_fakes()
    for name in request.fixturenames:
        if name.endswith("_scoped_runner") and isinstance(runner := request.getfixturevalue(name), asyncio.Runner):
            yield runner
            return
    with _runner_for(request.node) as runner:
        yield runner


@pytest.fixture
def world(_ctrlkit_runner: asyncio.Runner, request: pytest.FixtureRequest) -> Iterator[World]:
    """A World: an API server on virtual time, and whatever the test, a coroutine, runs against it."""
    from ctrlkit.fakes.world.world import World  # noqa: PLC0415

    if _is_plain_with_a_world(getattr(request, "function", None)):
        pytest.fail("use the fixture world: the test is no coroutine; use the fixture world_sync there", pytrace=False)
    objects, options = _world_arguments(request)

    async def enter() -> World:
        return await World(*objects, **options).__aenter__()

    loop = _ctrlkit_runner.get_loop()
    entered = loop.run_until_complete(enter())
    yield entered
    error = request.node.stash.get(_FAILURE, None)
    loop.run_until_complete(entered.__aexit__(None if error is None else type(error), error, None))


@pytest.fixture
def world_sync(request: pytest.FixtureRequest) -> Iterator[SyncWorld]:
    """A SyncWorld, for a test that is no coroutine."""
    _require_fakes()
    from ctrlkit.fakes.world.sync import SyncWorld  # noqa: PLC0415

    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        pytest.fail("use the fixture world_sync: the test is a coroutine; use the fixture world there", pytrace=False)
    objects, options = _world_arguments(request)
    made = SyncWorld(*objects, **options).__enter__()
    yield made
    error = request.node.stash.get(_FAILURE, None)
    made.__exit__(None if error is None else type(error), error, None)


def _is_plain_with_a_world(test: Any) -> bool:
    """
    Whether a test that asks for the world itself is a plain function, which can await nothing.

    One that hypothesis or a decorator made of a coroutine is run by whoever made it.
    """
    inner = inspect.unwrap(getattr(getattr(test, "hypothesis", None), "inner_test", test))
    if not inspect.isroutine(inner) or "world" not in inspect.signature(test).parameters:
        return False
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not any(is_kind(each) for is_kind in kinds for each in (test, inner))


def _world_arguments(request: pytest.FixtureRequest) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Return what the marker says; paths begin at the folder of the test. Rights that are to be written do not lack."""
    marker = request.node.get_closest_marker("world")
    if marker is None:
        return (), {}
    folder = request.node.path.parent
    objects = tuple(folder / one if isinstance(one, (str, os.PathLike)) else one for one in marker.args)
    is_written = bool(request.config.getoption("--rbac-write"))
    return objects, {**marker.kwargs, **({"rbac": False} if is_written else {})}


def _require_fakes() -> None:
    from ctrlkit.extras import MissingExtra, require  # noqa: PLC0415

    try:
        require("fakes", "a fixture of ctrlkit")
    except MissingExtra as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture
def clientset(_ctrlkit_runner: asyncio.Runner, request: pytest.FixtureRequest) -> Iterator[FakeClientset]:
    """A FakeClientset; in a test with a world, the world's."""
    from ctrlkit.fakes.clientset.clientset import FakeClientset  # noqa: PLC0415

    if "world" in request.fixturenames:
        yield request.getfixturevalue("world").clientset
        return

    async def make() -> FakeClientset:
        return FakeClientset()

    made = _ctrlkit_runner.get_loop().run_until_complete(make())
    yield made
    made.faults.tell_unused()


@pytest.fixture
def api_server(_ctrlkit_runner: asyncio.Runner, clientset: FakeClientset) -> Iterator[ApiServer]:
    """An ApiServer for the clientset; the test must be asynchronous, as the server answers while it waits."""
    from ctrlkit.fakes.apiserver import ApiServer  # noqa: PLC0415

    loop = _ctrlkit_runner.get_loop()
    serving = ApiServer(clientset, clientset.tracker.registry).serve()
    yield loop.run_until_complete(serving.__aenter__())
    loop.run_until_complete(serving.__aexit__(None, None, None))


@pytest.fixture
def cluster(_ctrlkit_runner: asyncio.Runner, request: pytest.FixtureRequest) -> Iterator[LiveWorld]:
    """A LiveWorld: a new namespace on the cluster of --kubeconfig; the test must be marked `cluster`."""
    from ctrlkit.fakes.world.live import LiveWorld  # noqa: PLC0415

    if request.node.get_closest_marker("cluster") is None:
        pytest.fail("use the cluster fixture: mark the test with @pytest.mark.cluster", pytrace=False)
    loop = _ctrlkit_runner.get_loop()
    live = LiveWorld(kubeconfig=request.config.getoption("--kubeconfig"))
    loop.run_until_complete(live.__aenter__())
    yield live
    loop.run_until_complete(live.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Real etcd and kube-apiserver, shared by the session's tests; skips where `$KUBEBUILDER_ASSETS` has none."""
    from ctrlkit.fakes.controlplane import ControlPlane, NoControlPlane, programs  # noqa: PLC0415

    try:
        programs()
    except NoControlPlane as missing:
        pytest.skip(str(missing))
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def each_world(
    _ctrlkit_runner: asyncio.Runner, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World | LiveWorld]:
    """A World; a LiveWorld on an ApiServer; with --control-plane or --kubeconfig one on a real API server too."""
    from ctrlkit.fakes.apiserver import ApiServer  # noqa: PLC0415
    from ctrlkit.fakes.clientset.clientset import FakeClientset  # noqa: PLC0415
    from ctrlkit.fakes.world.live import LiveWorld  # noqa: PLC0415
    from ctrlkit.fakes.world.world import World  # noqa: PLC0415

    exits = AsyncExitStack()
    real: str | None = None
    if request.param == "control_plane":
        real = request.getfixturevalue("control_plane").kubeconfig
    elif request.param == "cluster":
        real = request.config.getoption("--kubeconfig")

    async def enter() -> World | LiveWorld:
        if request.param == "world":
            return await exits.enter_async_context(World())
        if real is not None:
            return await exits.enter_async_context(LiveWorld(kubeconfig=real))
        clientset = FakeClientset()
        server = await exits.enter_async_context(ApiServer(clientset, clientset.tracker.registry).serve())
        kubeconfig = tmp_path_factory.mktemp("api_server") / "kubeconfig"
        server.write_kubeconfig(kubeconfig)
        return await exits.enter_async_context(LiveWorld(kubeconfig=str(kubeconfig)))

    loop = _ctrlkit_runner.get_loop()
    yield loop.run_until_complete(enter())
    loop.run_until_complete(exits.aclose())


# ---- reports ---------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last trace entries of the world fixture to a failure, unless it says enough, or a with block did it."""
    report = yield
    if call.when != "call" or not report.failed:
        return report
    if call.excinfo is not None:
        item.stash[_FAILURE] = call.excinfo.value
    module, values = sys.modules.get("ctrlkit.fakes.world.common"), getattr(item, "funcargs", {})
    world = values.get("world", values.get("world_sync"))
    if module is None or world is None or not isinstance(world, module.CommonWorld):
        return report
    if not any(said in report.longreprtext for said in (_WHAT_HAPPENED, f"{module.KEPT_COLD}: ")):
        report.sections.append((f"{_WHAT_HAPPENED} (virtual seconds, who, what)", world.trace.recent()))
    return report
