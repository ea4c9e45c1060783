"""docs/tutorial.md builds a controller in twelve steps: each step's code and tests are run as a reader would."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
import yaml

from ctrlkit.client import Client
from ctrlkit.manager import connect
from ctrlkit.model import Applied, Unstructured, custom_resource
from ctrlkit.model.kinds import CONFIG_MAPS
from tests.support.kubectl import KUBECTL
from tests.support.snippets import ROOT, run_pytest

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
BLOCK = re.compile(r"^```(?:python|yaml)\n# (?P<name>\w+\.\w+)(?P<below>, below)?\n(?P<text>.*?)^```$", re.M | re.S)
GREETINGS = custom_resource(group="demo.example.com", kind="Greeting", plural="greetings")
DEADLINE_S = 60


def steps() -> list[str]:
    """The text of each step, in order."""
    return re.split(r"^## (?=\d)", TUTORIAL, flags=re.M)[1:]


def follow(step: str, folder: Path) -> None:
    """Do with each block of a step what its first line says."""
    for block in BLOCK.finditer(step):
        path = folder / block["name"]
        before = path.read_text() + "\n\n" if block["below"] else ""
        path.write_text(before + block["text"])


def test_every_block_of_code_says_where_it_goes() -> None:
    """So that each is run here."""
    assert len(BLOCK.findall(TUTORIAL)) == len(re.findall(r"^```\w", TUTORIAL, flags=re.M))
    assert len(steps()) == 12


@pytest.mark.long
def test_the_tests_pass_after_each_step_that_adds_some(tmp_path: Path) -> None:
    """One test at step 4, ten at the end."""
    said = ""
    for step in steps():
        follow(step, tmp_path)
        if "# test_greeting.py" in step:
            said = run_pytest(tmp_path)
    assert "10 passed" in said


@pytest.mark.real_time
@pytest.mark.long
async def test_the_commands_of_the_last_step_work(tmp_path: Path) -> None:
    """The server knows the kind, the controller runs, and a Greeting gets its ConfigMap."""
    for step in steps():
        follow(step, tmp_path)
    assert "\n    ctrlkit apiserver --kubeconfig kc crd.yaml\n" in TUTORIAL
    assert "\n    ctrlkit run greeting:greet --kubeconfig kc\n" in TUTORIAL
    assert "\n    kubectl apply -f hello.yaml\n" in TUTORIAL
    async with asyncio.timeout(DEADLINE_S):
        server = await ctrlkit(tmp_path, "apiserver", "--kubeconfig", "kc", "crd.yaml")
        assert server.stdout is not None
        assert (await server.stdout.readline()).startswith(b"ready")
        address = f"--endpoints-address=127.0.0.1:{free_port()}"
        program = await ctrlkit(tmp_path, "run", "greeting:greet", "--kubeconfig", "kc", address)
        try:
            async with connect(kubeconfig=str(tmp_path / "kc")) as client:
                await apply(tmp_path, client)
                assert (await first_config_map(client))["data"] == {"text": "hi"}
        finally:
            for process in (program, server):
                process.terminate()
                _, errors = await process.communicate()
                assert process.returncode == 0, errors.decode()


async def apply(folder: Path, client: Client) -> None:
    """Apply hello.yaml with kubectl, or create what it holds where there is no kubectl."""
    if not KUBECTL.exists():
        body = yaml.safe_load((folder / "hello.yaml").read_text())
        await client.create(GREETINGS, {**body, "metadata": {"name": "hello", "namespace": "default"}})
        return
    command = [str(KUBECTL), "--kubeconfig", "kc", "--cache-dir", "cache", "apply", "-f", "hello.yaml"]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


async def first_config_map(client: Client) -> Unstructured:
    """The one called hello, as soon as it is there."""
    async with client.watch(CONFIG_MAPS, namespace="default", field_selector="metadata.name=hello") as events:
        async for event in events:
            if isinstance(event, Applied):
                return event.record.value
    raise AssertionError("the watch ended")


async def ctrlkit(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    """The command, in a folder."""
    command = [sys.executable, "-m", "ctrlkit", *arguments]
    return await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=PIPE, stderr=PIPE)


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
