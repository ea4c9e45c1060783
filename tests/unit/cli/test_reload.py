"""`ctrlkit run --reload`: when the program is stopped and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

import pytest

from ctrlkit.cli.reload import Supervisor, _next_change, kept_address, source_folders
from ctrlkit.kinds import CONFIG_MAPS
from ctrlkit.manager import connect

PROGRAM = """
import pathlib, signal, sys
log = pathlib.Path("log").open("a")
def say(*words): print(*words, file=log, flush=True)
def stop(*_): say("stopped in order"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
text = pathlib.Path("text").read_text()
if text == "broken": say("broken"); sys.exit(1)
say("started", text)
signal.pause()
"""


class Sources:
    """Tells of changes when it is asked to, once the log says what it has to."""

    def __init__(self, *states: str) -> None:
        self.states = [*states]
        self.seen: list[str] = []

    async def next_change(self) -> Sequence[str]:
        """The next state, when the program has come to where the last one leads."""
        lines = len(self.seen) + 1
        while len(self.seen) < lines or self.seen[-1] == "stopped in order":
            await asyncio.sleep(0.01)
            self.seen = lines_of_log()
        if not self.states:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        write_text(self.states.pop(0))
        return ["text"]


def lines_of_log() -> list[str]:
    """What the programs have said so far."""
    return Path("log").read_text().splitlines() if Path("log").exists() else []


def write_text(text: str) -> None:
    """Change the source."""
    Path("text").write_text(text)


@pytest.mark.real_time
async def test_the_old_program_ends_in_order_before_the_new_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ended by itself is started again by the next change; a signal ends both."""
    monkeypatch.chdir(tmp_path)
    write_text("one")
    sources = Sources("broken", "two")
    await asyncio.wait_for(Supervisor([sys.executable, "-c", PROGRAM], sources.next_change).run(), 60)
    assert lines_of_log() == [
        *("started one", "stopped in order", "broken"),
        *("started two", "stopped in order"),
    ]


@pytest.mark.real_time
async def test_a_change_of_a_source_is_told_by_the_system(tmp_path: Path) -> None:
    """Of a module below, too; other files and those of a virtual environment are not looked at."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "venv" / "lib").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    assert [each.name for each in source_folders(tmp_path)] == [tmp_path.name, "shop"]
    waiting = asyncio.ensure_future(_next_change(tmp_path))
    await asyncio.sleep(0)
    (tmp_path / "venv" / "lib" / "a.py").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "shop" / "caches.py").write_text("x = 1")
    changed = await asyncio.wait_for(waiting, 30)
    assert changed == [f"{tmp_path.name}/shop/caches.py"]


@pytest.mark.parametrize("address", ["127.0.0.1:0", ":0", "localhost:0"])
def test_any_free_port_is_the_same_one_for_all_programs_to_come(address: str) -> None:
    """So a page that is open in a browser goes on after a change; a port that was named is left alone."""
    kept = kept_address(address)
    host, _, port = kept.rpartition(":")
    assert (host, int(port) > 0) == (address.rpartition(":")[0], True)
    assert kept_address(kept) == kept
    assert kept_address("off") == "off"
    assert kept_address("192.0.2.1:0") == "192.0.2.1:0"  # no address of this machine


GREETING = """
from ctrlkit import DONE, custom_resource, reconciler
from ctrlkit.kinds import CONFIG_MAPS

GREETINGS = custom_resource(group="demo.example.com", kind="Greeting", plural="greetings")

@reconciler(GREETINGS, owns=[CONFIG_MAPS])
async def greet(greeting, context):
    await context.apply(CONFIG_MAPS, {"data": {"text": greeting["spec"]["text"]}})
    return DONE
"""
HELLO = """
apiVersion: demo.example.com/v1
kind: Greeting
metadata: {name: hello}
spec: {text: hi}
"""


@pytest.mark.real_time
@pytest.mark.long
async def test_a_program_is_written_beside_its_own_server(tmp_path: Path) -> None:
    """The server and what is in it stay, while the program is broken, mended and started again."""
    source, seed = tmp_path / "greeting.py", tmp_path / "hello.yaml"
    source.write_text(GREETING)
    seed.write_text(HELLO)
    options = [
        "--apiserver",
        "--reload",
        "--kubeconfig",
        "kc",
        "--seed",
        "hello.yaml",
        "--endpoints-address",
        "127.0.0.1:0",
    ]
    command = [sys.executable, "-m", "ctrlkit", "run", "greeting.py", *options]
    process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=PIPE, stderr=PIPE)
    assert process.stderr is not None
    errors = process.stderr

    async def told(*words: str) -> str:
        """A line of the log that has these words, as soon as it is there."""
        while line := (await errors.readline()).decode():
            if all(word in line for word in words):
                return line
        raise AssertionError(f"it ended without {words}")

    async with asyncio.timeout(120):
        address = json.loads(await told("endpoints_serving"))["address"]
        await told("reconciled", "patch:configmaps/hello")
        source.write_text("def broken(:")
        await told("line 1: invalid syntax")
        await told("program_ended")
        source.write_text(GREETING.replace('["text"]}}', '["text"].upper()}}'))
        assert json.loads(await told("endpoints_serving"))["address"] == address
        await told("reconciled", "patch:configmaps/hello")
        async with connect(kubeconfig=str(tmp_path / "kc")) as client:
            assert (await client.get(CONFIG_MAPS, "default/hello"))["data"] == {"text": "HI"}
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
    assert not (tmp_path / "kc").exists()
