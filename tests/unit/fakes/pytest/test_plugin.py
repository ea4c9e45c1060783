"""The pytest plugin that the package ships: what its users get, and what everybody else does not notice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ctrlkit.fakes.apiserver import certificates  # noqa: F401 - pytest in this process forgets what it imports

pytest_plugins = ["pytester"]

STRICT = ("-p", "no:cacheprovider", "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
AUTO = (*STRICT, "-o", "asyncio_mode=auto")
SESSION = (*AUTO, "-o", "asyncio_default_test_loop_scope=session")
NO_ASYNCIO = ("-p", "no:cacheprovider", "-p", "no:asyncio")

TESTS = """
import asyncio
import pytest
from ctrlkit.manager import connect
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES
from ctrlkit.fakes import World

def is_virtual():
    return hasattr(asyncio.get_running_loop(), "wait_all_blocked")

async def test_with_a_world(world):
    began = asyncio.get_running_loop().time()
    await world.advance("1h")
    assert asyncio.get_running_loop().time() == began + 3600

@pytest.mark.virtual_time
async def test_marked():
    async with World() as world:
        await world.settle()

@pytest.mark.world({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}, seed=7)
async def test_with_arguments(world):
    assert world.tracker.get(NAMESPACES, "demo")

async def test_with_a_clientset(clientset):
    assert is_virtual()
    assert await clientset.client.list(CONFIG_MAPS) == []

async def test_the_clientset_is_the_worlds(world, clientset, api_server, tmp_path):
    assert clientset is world.clientset
    api_server.write_kubeconfig(tmp_path / "kubeconfig")
    async with connect(kubeconfig=str(tmp_path / "kubeconfig")) as client:
        assert await client.list(CONFIG_MAPS) == []
    assert [str(action) for action in clientset.actions] == ["list configmaps *"]

def test_without_a_loop(clientset):
    assert clientset.tracker.get(NAMESPACES, "default")

@pytest.fixture
def prepared(world):
    world.seed({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
    return world

async def test_a_fixture_over_ours(prepared):
    await prepared.settle()
    assert prepared.tracker.get(NAMESPACES, "mine")
"""


@pytest.mark.parametrize(
    "options", [STRICT, AUTO, SESSION, NO_ASYNCIO], ids=["strict", "auto", "session loop", "without pytest-asyncio"]
)
def test_the_fixtures_work_whatever_runs_async_tests(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(TESTS)
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=7)


def test_nobody_elses_tests_change(pytester: pytest.Pytester) -> None:
    """Their loops, their ids, and fixtures of theirs that have our names."""
    pytester.makepyfile("""
        import asyncio
        import pytest

        @pytest.fixture
        def world():
            return "mine"

        async def test_ordinary(world):
            assert world == "mine"
            assert not hasattr(asyncio.get_running_loop(), "wait_all_blocked")

        @pytest.mark.parametrize("letter", ["a"])
        async def test_ids(letter, request):
            assert request.node.name == "test_ids[a]"

        def test_synchronous():
            pass
    """)
    pytester.runpytest_inprocess(*AUTO).assert_outcomes(passed=3)


def test_a_users_choice_of_loops_stays_for_all_other_tests(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import asyncio

        class TheirLoop(asyncio.SelectorEventLoop):
            pass

        def pytest_asyncio_loop_factories(item):
            return {"theirs": TheirLoop}
    """)
    pytester.makepyfile("""
        import asyncio

        async def test_theirs():
            assert type(asyncio.get_running_loop()).__name__ == "TheirLoop"

        async def test_ours(world):
            await world.advance("1d")
    """)
    pytester.runpytest_inprocess(*AUTO).assert_outcomes(passed=2)


def test_tests_for_a_real_cluster_are_skipped_without_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest

        @pytest.mark.cluster
        async def test_live(cluster):
            pass
    """)
    result = pytester.runpytest_inprocess(*AUTO, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*needs a real cluster: name one with --kubeconfig FILE"])


def test_a_failure_shows_what_happened_in_the_world(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from ctrlkit.model.kinds import NAMESPACES

        async def test_fails(world):
            world.tracker.create(NAMESPACES, {"metadata": {"name": "demo"}})
            await world.settle()
            assert False
    """)
    result = pytester.runpytest_inprocess(*AUTO)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*what happened last in the world*", "*0.000  test *namespaces demo created at 5"])


def test_the_plugin_imports_nothing_of_the_package_before_it_is_used() -> None:
    """Everybody who has the package installed pays for it, in every run of pytest."""
    program = "import sys, ctrlkit.fakes.pytest.plugin; print([m for m in sys.modules if m.startswith('ctrlkit')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    packages = ["ctrlkit", "ctrlkit.fakes", "ctrlkit.fakes.pytest"]
    assert done.stdout.strip() == str([*packages, "ctrlkit.fakes.pytest.plugin"])


def test_each_world_without_a_real_one_says_what_is_missing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a World on virtual time and on our server on the real clock; the third is skipped with the next step."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    pytester.makepyfile(
        """
        import asyncio
        from ctrlkit.model.kinds import CONFIG_MAPS

        async def test_each(each_world, request):
            is_virtual = hasattr(asyncio.get_running_loop(), "wait_all_blocked")
            assert is_virtual is (request.node.callspec.params["each_world"] == "world")
            metadata = {"name": "a", "namespace": each_world.namespace}
            await each_world.client.create(CONFIG_MAPS, {"metadata": metadata})
        """
    )
    result = pytester.runpytest_subprocess(*AUTO, "-rs", "--control-plane")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        ["*start a real control plane: $KUBEBUILDER_ASSETS is not set; set $KUBEBUILDER_ASSETS*"]
    )


def test_plain_functions_have_a_world_too(pytester: pytest.Pytester) -> None:
    """With the marker's arguments, whose paths begin at the folder of the test; a coroutine is told which to use."""
    pytester.makefile(".yaml", state="{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: demo}}")
    pytester.makepyfile("""
        import pytest
        from ctrlkit import clock
        from ctrlkit.model.kinds import CONFIG_MAPS

        @pytest.mark.world("state.yaml", seed=7)
        def test_plain(world_sync):
            world_sync.advance("1h")
            assert clock.monotonic() == 3600.0
            assert world_sync.tracker.get(CONFIG_MAPS, "demo/a")

        @pytest.mark.world("state.yaml")
        async def test_coroutine(world):
            assert world.tracker.get(CONFIG_MAPS, "demo/a")

        async def test_wrong(world_sync):
            pass

        def test_wrong_too(world):
            world.settle()

        class TestWrong:
            def test_in_a_class(self, world):
                world.settle()
    """)
    result = pytester.runpytest_inprocess(*AUTO)
    result.assert_outcomes(passed=2, errors=3)
    result.stdout.fnmatch_lines(["use the fixture world_sync: the test is a coroutine; use the fixture world there"])
    said = "use the fixture world: the test is no coroutine; use the fixture world_sync there"
    assert str(result.stdout).count(f"\n{said}\n") == 2


def test_a_world_of_a_whole_module_serves_its_plain_functions(pytester: pytest.Pytester) -> None:
    """A coroutine among them cannot run, and is told so; those of other modules can."""
    pytester.makepyfile(
        test_plain="""
        import pytest
        from ctrlkit.fakes import World

        @pytest.fixture(scope="module")
        def shared():
            with World.sync() as world:
                yield world

        def test_one(shared):
            shared.advance("1h")

        async def test_coroutine():
            pass

        def test_two(shared):
            shared.settle()
        """,
        test_others="async def test_coroutine(world): await world.settle()",
    )
    result = pytester.runpytest_inprocess(*AUTO)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["run a test that is a coroutine: *give that fixture the scope function, or move*"])


def test_coroutines_of_any_make_have_a_world(pytester: pytest.Pytester) -> None:
    """Methods, those of hypothesis and of decorators; a plain test may use a fixture over ours."""
    pytester.makepyfile("""
        import functools
        import pytest
        from hypothesis import HealthCheck, given, settings, strategies

        def decorated(test):
            @functools.wraps(test)
            async def wrapper(*args, **kwargs):
                await test(*args, **kwargs)
            return wrapper

        def run_by_itself(test):
            @functools.wraps(test)
            def wrapper(*args, **kwargs):
                test(*args, **kwargs).close()
            return wrapper

        class TestInAClass:
            async def test_method(self, world):
                await world.settle()

            @staticmethod
            async def test_static(world):
                await world.settle()

        @decorated
        async def test_decorated(world):
            await world.settle()

        @run_by_itself
        async def test_run_by_itself(world):
            await world.settle()

        @pytest.fixture
        def prepared(world):
            return world

        def test_of_a_fixture(prepared):
            assert prepared.tracker

        @settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(number=strategies.integers())
        async def test_for_any(world, number):
            await world.settle()
    """)
    pytester.runpytest_inprocess(*AUTO).assert_outcomes(passed=6)


def test_a_failing_test_tells_its_story_once(pytester: pytest.Pytester) -> None:
    """Whatever it fails with; its end adds neither what the manager says of being cut off, nor unused faults."""
    pytester.makepyfile("""
        import asyncio
        from ctrlkit import reconciler
        from ctrlkit.errors import Conflict
        from ctrlkit.fakes import Calls
        from ctrlkit.model.kinds import CONFIG_MAPS

        @reconciler(CONFIG_MAPS)
        async def hangs(config_map, context):
            await asyncio.Event().wait()

        def prepare(world):
            world.seed({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "demo"}})
            world.faults.fail(Calls("delete", "secrets"), Conflict("never"))
            world.manage(hangs)

        async def test_never_settled(world):
            prepare(world)
            await world.settle()

        def test_assertion(world_sync):
            prepare(world_sync)
            world_sync.pass_time("1s")
            assert False
    """)
    result = pytester.runpytest_inprocess(*AUTO, "-rN")  # where $CI is set, pytest's summary repeats whole messages
    result.assert_outcomes(failed=2)
    assert str(result.stdout).count("what happened last in the world") == 2


def test_faults_that_met_nothing_are_told_at_the_end_of_a_fixture(pytester: pytest.Pytester) -> None:
    """As a warning, which is an error where warnings are."""
    pytester.makepyfile("""
        from ctrlkit.errors import Conflict
        from ctrlkit.fakes import Calls

        async def test_world(world):
            world.faults.fail(Calls("delete", "secrets"), Conflict("never"))

        async def test_clientset(clientset):
            clientset.faults.fail(Calls("delete", "secrets"), Conflict("never"))
    """)
    pytester.runpytest_inprocess(*AUTO).assert_outcomes(passed=2, errors=2)
    result = pytester.runpytest_inprocess(*AUTO, "-W", "default::UserWarning")
    result.assert_outcomes(passed=2, warnings=2)
    result.stdout.fnmatch_lines(
        ["*UnusedFaultWarning: end the faults: no call met fail with Conflict (delete secrets, 1 *"]
    )


def test_a_test_that_another_plugin_runs_on_its_own_loop_is_told_so(pytester: pytest.Pytester) -> None:
    """As anyio's does for those with its mark, which have its fixture."""
    pytester.makeconftest("""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
    """)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.usefixtures("anyio_backend")
        async def test_with_a_world(world):
            pass

        @pytest.mark.usefixtures("anyio_backend")
        @pytest.mark.virtual_time
        async def test_marked():
            pass

        @pytest.mark.usefixtures("anyio_backend")
        async def test_of_its_own():
            pass
    """)
    result = pytester.runpytest_inprocess(*AUTO)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        ["run the test on virtual time: it is marked anyio, which runs it on a loop of its own;*"]
    )


@pytest.mark.long
def test_tests_run_in_several_processes_and_in_any_order(pytester: pytest.Pytester) -> None:
    """
    Each process collects the same ids, which pytest-xdist insists on.

    The other tests of the project run in that way themselves.
    """
    plain = "def test_plain(world_sync): world_sync.advance('1h')"
    pytester.makepyfile(test_a=TESTS, test_b=TESTS, test_plain=plain)
    pytester.makeconftest("""
        def pytest_collection_modifyitems(items):
            items.reverse()
    """)
    pytester.runpytest_subprocess(*AUTO, "-n", "4").assert_outcomes(passed=15)
