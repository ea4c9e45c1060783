"""The same random changes end the same in a World with our loops and on a real control plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit.fakes import ControlPlane
from tests.judge.controllers import controllers
from tests.judge.loops.__main__ import explore
from tests.judge.test_stories import kubelet

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(900)]
SEEDS = range(1, 7)


async def test_programs_end_as_on_a_real_control_plane(kubernetes: Path) -> None:
    """Some programs; `python -m tests.judge.loops` plays many more."""
    with ControlPlane(kubernetes) as plane, controllers(plane.kubeconfig):
        async with kubelet(plane.kubeconfig):
            found = await explore(plane.kubeconfig, SEEDS)
    assert not found, "\n\n".join(map(str, found))
