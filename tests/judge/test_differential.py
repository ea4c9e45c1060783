"""The same random requests to a real API server and to ours are answered the same, but for what is listed."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from pathlib import Path

import pytest

from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.releases import release
from tests.judge.differential.__main__ import explore, kinds_of
from tests.judge.differential.compare import Difference, both_servers

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(1800)]
EXAMPLES = 20
LISTED = json.loads(Path(__file__).with_name("differential").joinpath("listed.json").read_text())


def _is_listed(listed: list[re.Pattern[str]], found: Difference) -> bool:
    """Whether a difference is one that is known: its word and lines are searched."""
    text = "\n".join((found.word, *found.lines))
    return any(one.search(text) for one in listed)


def test_every_kind_is_answered_as_by_a_real_server(own_control_plane: ControlPlane) -> None:
    """Some sequences of requests about each kind; `python -m tests.judge.differential` tries many more."""
    server = own_control_plane.release
    new = {}
    with asyncio.Runner() as runner:
        stack = both_servers(own_control_plane)
        servers = runner.run(stack.__aenter__())
        for kind in kinds_of(release(server)):
            listed = [re.compile(one["lines"]) for one in LISTED if kind.kind in one["kinds"] or "*" in one["kinds"]]
            is_known = functools.partial(_is_listed, listed)
            found = explore(runner, servers, kind, is_known, server=server, examples=EXAMPLES, start=1)
            if found is not None:
                new[f"{kind.api_version} {kind.kind}"] = found[1].lines
        runner.run(stack.__aexit__(None, None, None))
    assert not new, "\n".join(f"{name}: {lines}" for name, lines in new.items())
