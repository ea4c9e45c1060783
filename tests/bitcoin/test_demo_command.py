"""
`bitcoin-controller demo` as people start it: a process of its own, with nodes that are processes.

Each demo gets a folder of the test for temporary files, so that what it leaves can be seen: nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ctrlkit.bitcoin.demo.environment import EarlyProbes
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS
from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.bitcoind.binaries import BinaryNotFound, find_bitcoind
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.manager import connect
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES, NODES
from tests.support.processes import command_lines, process_of, working_in

pytestmark = pytest.mark.real_time

_REPOSITORY = Path(__file__).parents[2]
_STEPS = 16


@asynccontextmanager
async def a_demo(folder: Path, *arguments: str) -> AsyncIterator[Process]:
    """A running demo; at the latest it is killed at the end."""
    environment = os.environ | {"PYTHONPATH": str(_REPOSITORY), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "ctrlkit.bitcoin", "demo", *arguments]
    async with process_of(*command, env=environment, cwd=folder) as process:
        yield process


async def line_with(stream: asyncio.StreamReader | None, text: str) -> str:
    """Read on until a line has `text`."""
    assert stream is not None
    while line := (await stream.readline()).decode():
        if text in line:
            return line
    raise AssertionError(f"no line with {text!r} came")


def steps_told(transcript: str) -> list[str]:
    """The steps' names, in the order they were told; times, addresses and counts of connections differ."""
    return re.findall(r"^\[ *[\d.]+s\] ok   (.+?) \([\d.]+ s\): ", transcript, flags=re.MULTILINE)


def result_of(output: bytes) -> dict[str, Any]:
    """The JSON object in the last line."""
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def assert_nothing_is_left(folder: Path) -> None:
    """No process that has to do with the folder, and nothing in it."""
    left = [line for line in command_lines().values() if str(folder).encode() in line]
    assert left == []
    assert working_in(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_walk_through_holds_with_simulated_nodes_and_leaves_nothing(tmp_path: Path) -> None:
    """Every step holds; stdout has the one object, progress is on stderr, its first line says what nodes."""
    async with a_demo(tmp_path, "--bitcoind", "simulated", "--output", "json") as process:
        output, progress = await process.communicate()

    result = result_of(output)
    assert [step for step in result["steps"] if not step["ok"]] == []
    assert (process.returncode, len(result["steps"]), output.count(b"\n")) == (0, _STEPS, 1)
    assert {name: result[name] for name in ("ok", "bitcoind", "nodes")} == {
        "ok": True,
        "bitcoind": "simulated",
        "nodes": 3,
    }
    assert progress.decode().startswith("simulated nodes: ")
    assert steps_told(progress.decode()) == steps_told((_REPOSITORY / "docs" / "demo.md").read_text())
    assert_nothing_is_left(tmp_path)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_the_walk_through_holds_with_real_nodes_and_leaves_nothing(tmp_path: Path) -> None:
    """The same with a real bitcoind, where there is one."""
    try:
        bitcoind = find_bitcoind(None)
    except BinaryNotFound as error:
        pytest.skip(str(error))
    if bitcoind is None:
        pytest.skip("no bitcoind in $BITCOIND, on PATH or beside this Python; `make bitcoind` gets one")
    async with a_demo(tmp_path, "--bitcoind", str(bitcoind), "--output", "json") as process:
        output, progress = await process.communicate()

    result = result_of(output)
    assert [step for step in result["steps"] if not step["ok"]] == []
    assert (process.returncode, result["ok"], result["bitcoind"]) == (0, True, "real")
    assert progress.decode().startswith(f"real nodes: {bitcoind}")
    assert_nothing_is_left(tmp_path)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, 143),
        (signal.SIGINT, 130),
        (signal.SIGHUP, 129),
    ],
)
@pytest.mark.long
async def test_a_signal_in_the_middle_cleans_up_and_is_in_the_exit_status(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    """Nodes are running when it comes; none is left, no file either, and there is no traceback."""
    async with a_demo(tmp_path, "--bitcoind", "simulated", "--nodes", "2", "--output", "json") as process:
        await line_with(process.stderr, "nodes become ready")
        process.send_signal(number)
        output, progress = await process.communicate()

    assert (process.returncode, result_of(output)["ok"]) == (status, False)
    assert result_of(output)["steps"][-1]["detail"] == "interrupted before it was done"
    assert b"Traceback" not in progress
    assert_nothing_is_left(tmp_path)


@pytest.mark.long
async def test_keep_stays_up_with_a_network_until_ctrl_c(tmp_path: Path) -> None:
    """The kubeconfig and the page it names are there; after Ctrl-C the status is that of the walk-through."""
    arguments = ("--bitcoind", "simulated", "--nodes", "2", "--blocks", "1", "--keep")
    async with a_demo(tmp_path, *arguments) as process:
        await line_with(process.stdout, "all 16 steps held")
        await line_with(process.stdout, "staying up with network my-network in namespace bitcoin-demo")
        hint = await line_with(process.stdout, "get bitcoinnetworks")
        kubeconfig = hint.split()[2]
        page = (await line_with(process.stdout, "for a browser: http://127.0.0.1:")).split()[-1]
        async with aiohttp.ClientSession() as session, session.get(page) as answer:
            assert (answer.status, "bitcoin-controller" in await answer.text()) == (200, True)
        async with connect(kubeconfig=kubeconfig) as client:
            assert [str(network.metadata.key) for network in await client.list(BITCOIN_NETWORKS)] == [
                "bitcoin-demo/my-network"
            ]
        process.send_signal(signal.SIGINT)
        await process.communicate()

    assert process.returncode == 0
    assert_nothing_is_left(tmp_path)


@pytest.mark.long
async def test_a_server_that_is_there_is_used_and_left_as_it_was(tmp_path: Path) -> None:
    """With our kubelet on a bare API server the same steps hold; afterwards nothing of it is on the server."""
    tracker = Tracker()
    folder, kubeconfig = tmp_path / "demo", tmp_path / "kubeconfig"
    folder.mkdir()
    namespaces = {str(item.key) for item in tracker.list(NAMESPACES)}
    arguments = ("--kubeconfig", str(kubeconfig), "--with-kubelet", "--bitcoind", "simulated")
    async with ApiServer(EarlyProbes(tracker), tracker.registry).serve() as server:
        server.write_kubeconfig(kubeconfig)
        async with a_demo(folder, *arguments, "--nodes", "2", "--blocks", "1", "--output", "json") as process:
            output, _ = await process.communicate()

    assert [step for step in result_of(output)["steps"] if not step["ok"]] == []
    assert process.returncode == 0
    assert {str(item.key) for item in tracker.list(NAMESPACES)} == namespaces
    assert [tracker.list(kind) for kind in (CUSTOM_RESOURCE_DEFINITIONS, NODES)] == [[], []]
    assert_nothing_is_left(folder)


@pytest.mark.long
async def test_a_demo_that_cannot_begin_says_so_in_its_object_too(tmp_path: Path) -> None:
    """One line on stderr for people, one object on stdout for programs, no step played."""
    arguments = ("--kubeconfig", str(tmp_path / "none"), "--output", "json", "--nodes", "2")
    async with a_demo(tmp_path, *arguments) as process:
        output, progress = await process.communicate()

    assert result_of(output) == {"ok": False, "bitcoind": "real", "nodes": 2, "steps": []}
    assert process.returncode == 1
    assert b"there is no such file" in progress
