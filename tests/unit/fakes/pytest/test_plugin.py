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
