"""What importing the two hooks of ctrlkit.fakes.pytest does to the tests of a folder."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

OPTIONS = ["-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]

HOOKS = "from ctrlkit.fakes.pytest import pytest_asyncio_loop_factories, pytest_pyfunc_call"

TESTS = """
import asyncio
import pytest
import pytest_asyncio

async def for_ever():
    while True:
        await asyncio.sleep(5)

@pytest_asyncio.fixture
async def background():
    task = asyncio.create_task(for_ever())
    yield
    task.cancel()
    await asyncio.wait([task])

@pytest.mark.asyncio
async def test_with_background_of_a_fixture(background):
    await asyncio.sleep(3600)

@pytest.mark.asyncio
async def test_that_cancels_without_waiting():
    asyncio.create_task(for_ever()).cancel()

@pytest.mark.asyncio
async def test_that_leaks():
    asyncio.create_task(for_ever(), name="leak")

@pytest.mark.asyncio
@pytest.mark.real_time
async def test_that_ends_a_little_later():
    asyncio.create_task(asyncio.sleep(0.01))

@pytest.mark.asyncio
@pytest.mark.parametrize("letter", ["a"])
async def test_ids(letter, request):
    assert request.node.name == "test_ids[a]"

@pytest.mark.asyncio(loop_scope="module")
async def test_on_a_loop_of_the_module():
    await asyncio.sleep(3600)

def test_without_a_loop():
    pass
"""


def test_only_the_test_that_leaves_a_task_behind_fails(pytester: pytest.Pytester) -> None:
    """The failure names the task and where it waits; a fixture's tasks and cancelled ones are no leaks."""
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess(*OPTIONS, "-W", "ignore::pytest.PytestUnknownMarkWarning")
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["end the test: leak at for_ever (*.py:*) > sleep (tasks.py:*) still pending; *"])


def test_without_the_hooks_nothing_changes(pytester: pytest.Pytester) -> None:
    """A folder that does not import them keeps the loop and the rules of pytest-asyncio."""
    pytester.makepyfile("""
        import asyncio
        import pytest

        @pytest.mark.asyncio
        async def test_ordinary():
            assert not hasattr(asyncio.get_running_loop(), "wait_all_blocked")
            asyncio.create_task(asyncio.sleep(3600))
    """)
    pytester.runpytest_inprocess(*OPTIONS).assert_outcomes(passed=1)
