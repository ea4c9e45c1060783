"""Which nodes a walk-through runs, and what it says of them in its first line."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrlkit.bitcoin.demo.binary import BadArgument, NoBitcoind, NodeKind, choose

pytestmark = pytest.mark.real_time


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Have the look-up find what the test says."""
    monkeypatch.setattr("ctrlkit.bitcoin.demo.binary.find_bitcoind", lambda explicit: request.param)


def a_program(folder: Path, script: str) -> Path:
    """An executable in place of bitcoind."""
    path = folder / "bitcoind"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("find", [None], indirect=True)
@pytest.mark.usefixtures("find")
async def test_where_no_bitcoind_is_auto_takes_simulated_nodes_and_says_why() -> None:
    """The headline is what the demo prints first; asking for real ones is an error that says where to get one."""
    chosen = await choose("auto")

    assert chosen.kind is NodeKind.SIMULATED
    assert chosen.headline.startswith("simulated nodes: they take the place of real ones, because there is no bitcoind")
    with pytest.raises(NoBitcoind, match="run `make bitcoind`"):
        await choose("real")


async def test_a_program_that_is_no_bitcoind_is_refused_by_name_and_passed_over_by_auto(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for its version before nodes are built on it."""
    other = a_program(tmp_path, "exit 3")
    with pytest.raises(BadArgument, match="`-version` ended with 3"):
        await choose(str(other))

    monkeypatch.setattr("ctrlkit.bitcoin.demo.binary.find_bitcoind", lambda explicit: other)
    chosen = await choose("auto")
    assert chosen.kind is NodeKind.SIMULATED
    assert f"{other} is no bitcoind" in chosen.headline


async def test_a_file_that_cannot_be_started_is_refused(tmp_path: Path) -> None:
    """As a program for another machine would be."""
    broken = a_program(tmp_path, "")
    broken.write_bytes(b"\x7fELF nothing of use")

    with pytest.raises(BadArgument, match="cannot be started"):
        await choose(str(broken))


async def test_a_bitcoind_at_a_path_needs_its_client_beside_it(tmp_path: Path) -> None:
    """The readiness probe runs bitcoin-cli."""
    alone = a_program(tmp_path, "echo Bitcoin Core version v28")
    with pytest.raises(BadArgument, match="bitcoin-cli"):
        await choose(str(alone))

    alone.with_name("bitcoin-cli").symlink_to(alone)
    chosen = await choose(str(alone))
    assert (chosen.kind, chosen.headline) == (NodeKind.REAL, f"real nodes: {alone} (Bitcoin Core version v28)")


async def test_simulated_nodes_may_be_asked_for() -> None:
    """Whatever there is."""
    assert (await choose("simulated")).headline == "simulated nodes: as asked for"
