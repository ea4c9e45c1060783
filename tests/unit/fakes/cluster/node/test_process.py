"""However the owner of a ProcessRuntime ends, its processes end too and its folder goes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

import pytest

from tests.support.processes import HAS_PIDFD, command_lines, process_ended

pytestmark = [pytest.mark.real_time, pytest.mark.skipif(not HAS_PIDFD, reason="needs pidfd_open (Linux)")]

OWNER = """
import asyncio, os, sys
from ctrlkit.fakes.cluster.node.image_runtime import ProcessRuntime
from ctrlkit.fakes.cluster.node.runtime import ContainerId, ContainerSpec, Exec
from tests.support.any_command import ANY_COMMAND

async def main():
    async with ProcessRuntime(images={"program": ANY_COMMAND}) as runtime:
        for number in range(2):
            uid = f"uid-{number}"
            runtime.open_sandbox(uid)
            script = 'trap "" HUP; sleep 600 & echo $$ $! > pids; wait'
            container = ContainerId(uid, "main")
            await runtime.start(
                ContainerSpec(id=container, image="program", command=("/bin/sh", "-c", script), environment={})
            )
            while not (await runtime.probe(container, Exec(("test", "-s", "pids")), timeout_s=60)).ok:
                pass
            print((runtime.folder / uid / "main" / "pids").read_text().strip(), flush=True)
        print(runtime.folder, flush=True)
        sys.stdin.readline()  # the test has counted what runs
        match sys.argv[1]:
            case "exit": return
            case "error": raise ZeroDivisionError
            case "abort": os.abort()
            case "wait": await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("way", "number"),
    [
        ("exit", None),
        pytest.param("error", None, marks=pytest.mark.long),
        pytest.param("abort", None, marks=pytest.mark.long),
        pytest.param("wait", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("wait", signal.SIGTERM, marks=pytest.mark.long),
        ("wait", signal.SIGKILL),
    ],
    ids=str,
)
async def test_nothing_is_left_however_the_owner_ends(way: str, number: signal.Signals | None) -> None:
    """
    Its two containers, their children and the folder are gone soon after; the containers wrote down their ids.
    """
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, way, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    lines = [(await owner.stdout.readline()).decode().strip() for _ in range(3)]
    pids = [int(pid) for line in lines[:2] for pid in line.split()]
    folder = Path(lines[2])
    pids += [pid for pid, line in command_lines().items() if str(folder).encode() in line]
    owner.stdin.write(b"counted\n")
    owner.stdin.close()
    assert len(pids) == 5  # two shells, a child of each, and the guardian
    if number is not None:
        owner.send_signal(number)
    await owner.wait()
    for pid in pids:
        await process_ended(pid)
    assert not os.path.lexists(folder)  # noqa: ASYNC240  the one question is answered at once
