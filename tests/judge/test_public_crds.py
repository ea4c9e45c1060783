"""Random objects of public kinds get the same verdict on a real server and here."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ctrlkit.fakes import ControlPlane
from tests.judge.differential.compare import both_servers
from tests.judge.public_crds.__main__ import Verdicts
from tests.judge.public_crds.sources import definitions

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(3600)]
FOLDER = os.environ.get("PUBLIC_CRDS", "")
"""The folder with the definitions; `python -m tests.judge.public_crds FOLDER --how` says how to fill it."""

LEAST = 0.99


@pytest.mark.skipif(not FOLDER, reason="$PUBLIC_CRDS names no folder with definitions")
def test_public_definitions(own_control_plane: ControlPlane) -> None:
    async def compare() -> tuple[int, int]:
        asked = differing = 0
        async with both_servers(own_control_plane) as servers:
            for public in definitions(Path(FOLDER)):
                verdicts = Verdicts(public, servers)
                await verdicts.compare(20, seed=1)
                asked, differing = asked + verdicts.asked, differing + len(verdicts.differences)
        return asked, differing

    asked, differing = asyncio.run(compare())
    assert asked > 500
    assert differing <= (1 - LEAST) * asked
