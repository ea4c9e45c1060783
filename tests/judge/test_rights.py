"""Random roles, bindings and requests: a real API server and ours allow and refuse the same, with the same words."""

from __future__ import annotations

import asyncio

import pytest

from ctrlkit.fakes import ControlPlane
from tests.judge.rights.compare import both_servers, compared
from tests.judge.rights.scenes import scene_of

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
SCENES, REQUESTS = 6, 40


def test_every_request_is_allowed_or_refused_as_by_a_real_server(own_control_plane: ControlPlane) -> None:
    """Some scenes; `python -m tests.judge.rights` plays many more."""
    plane = own_control_plane
    found = asyncio.run(_play(plane.kubeconfig, plane.release))
    assert found == []


async def _play(kubeconfig: str, release: str) -> list[tuple[str, ...]]:
    found = []
    async with both_servers(kubeconfig, release) as servers:
        for number in range(SCENES):
            scene = scene_of(number, REQUESTS)
            answers = [await server.play(scene, number) for server in servers]
            found += [(one.request.method, one.request.path, *one.lines) for one in compared(scene, *answers)]
    return found
