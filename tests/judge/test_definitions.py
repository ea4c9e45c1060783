"""Random definitions of custom resources: a real API server and ours take and refuse the same, with the same words."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit.fakes import ControlPlane
from tests.judge.differential.compare import both_servers
from tests.judge.differential.definitions import explore

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
EXAMPLES = 60


def test_definitions_are_answered_as_by_a_real_server(own_control_plane: ControlPlane) -> None:
    """Some definitions; `python -m tests.judge.differential.definitions` tries many more."""
    with asyncio.Runner() as runner:
        stack = both_servers(own_control_plane)
        servers = runner.run(stack.__aenter__())
        new = list(explore(runner, servers, set(), examples=EXAMPLES, start=201, shrinks=False))
        runner.run(stack.__aexit__(None, None, None))
    assert [(one.lines, steps) for steps, one in new] == []
