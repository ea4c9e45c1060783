"""The same random requests to a real API server and to ours are answered the same, but for what is listed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.releases import release
from tests.judge.differential.__main__ import explore, kinds_of
from tests.judge.differential.compare import both_servers

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(1800)]
EXAMPLES = 20
LISTED = json.loads(Path(__file__).with_name("differential").joinpath("listed.json").read_text())


def test_every_kind_is_answered_as_by_a_real_server(own_control_plane: ControlPlane) -> None:
    """Some sequences of requests about each kind; `python -m tests.judge.differential` tries many more."""
    server = own_control_plane.release
    new = {}
    with asyncio.Runner() as runner:
        stack = both_servers(own_control_plane)
        servers = runner.run(stack.__aenter__())
        for kind in kinds_of(release(server)):
            known = {tuple(one["signature"]) for one in LISTED if one["kind"] in ("*", kind.kind)}
            found = explore(runner, servers, kind, known, server=server, examples=EXAMPLES, start=1)
            if found is not None:
                new[f"{kind.api_version} {kind.kind}"] = found[1].lines
        runner.run(stack.__aexit__(None, None, None))
    assert not new
