"""
Virtual time for all async tests of a folder, with pytest-asyncio; for single tests see plugin.py.

A conftest.py switches it on for its folder by importing the two hooks:

    from ctrlkit.fakes.pytest import pytest_asyncio_loop_factories, pytest_pyfunc_call

Each async test below it then runs on a `VirtualTimeLoop`, except where `@pytest.mark.real_time` requests asyncio's own
loop, and fails if it leaves tasks behind. Tests elsewhere are not affected.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Mapping

import pytest

from ctrlkit.fakes.loop import VirtualTimeLoop, waiting_place

_GRACE_S = 1.0
"""Real seconds for tasks of a real-time test to end by themselves; waited only if there are any."""

_NAMED_MAX = 5
"""Tasks named in one message; a property test may leave one for each example."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the loop of a test; a single choice does not change the test's id."""
    if item.get_closest_marker("real_time") or item.get_closest_marker("cluster"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualTimeLoop}


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Fail an async test that passed but left tasks behind, except those that its fixtures started."""
    runner = next((value for value in pyfuncitem.funcargs.values() if isinstance(value, asyncio.Runner)), None)
    if runner is None:  # pytest-asyncio gives one to async tests only
        return (yield)
    loop = runner.get_loop()
    before = asyncio.all_tasks(loop)
    result = yield
    _close_worlds(loop, pyfuncitem)
    started = asyncio.all_tasks(loop) - before
    if started:
        loop.run_until_complete(_let_end(started))
    leaked = [task for task in started if not task.done()]
    if leaked:
        pytest.fail(f"end the test: {_list(leaked)} still pending; cancel and await what a test starts", pytrace=False)
    return result


def _close_worlds(loop: asyncio.AbstractEventLoop, test: pytest.Function) -> None:
    """Leave the world of a fixture, so that only the test's own tasks remain."""
    module = sys.modules.get("ctrlkit.fakes.world.world")
    for value in test.funcargs.values():
        if module is not None and isinstance(value, module.World):
            loop.run_until_complete(value.__aexit__(None, None, None))


def _list(tasks: list[asyncio.Task[object]]) -> str:
    named = sorted(f"{task.get_name()} at {waiting_place(task)}" for task in tasks)
    more = f"; {len(named) - _NAMED_MAX} more" if len(named) > _NAMED_MAX else ""
    return "; ".join(named[:_NAMED_MAX]) + more


async def _let_end(tasks: set[asyncio.Task[object]]) -> None:
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualTimeLoop):
        await loop.wait_all_blocked()
    else:
        await asyncio.wait(tasks, timeout=_GRACE_S)
