"""The commands at the head of each example do what they say, against the embedded server and over HTTP."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ctrlkit.client import Client
from ctrlkit.errors import NotFound
from ctrlkit.manager import connect
from ctrlkit.model import AnyResource, Applied, MergePatch, Unstructured
from ctrlkit.model.kinds import CONFIG_MAPS, NAMESPACES
from examples.ex3_sites import SITES
from examples.ex5_readings import READINGS
from examples.ex7_cache import CACHES
from tests.examples.conftest import EXAMPLES

ROOT = EXAMPLES.parent
DEADLINE_S = 60
GREETED = (CONFIG_MAPS, "hello", "data.text")
SHOWN: dict[str, tuple[AnyResource, str, str]] = {
    "ex1_greeting": GREETED,
    "ex2_greeting_class": GREETED,
    "ex3_sites": (SITES, "shop", "status.conditions"),
    "ex4_notices": (CONFIG_MAPS, "notice-lunch", "data.text"),
    "ex5_readings": (READINGS, "load", "status.value"),
    "ex6_two_controllers": (CONFIG_MAPS, "greeting-count", "data.greetings"),
}
"""What each example makes, and a field of it that is there when it did."""


def head(example: str) -> str:
    """What stands at the head of an example."""
    return ast.get_docstring(ast.parse((EXAMPLES / f"{example}.py").read_text())) or ""


def exports(text: str) -> dict[str, str]:
    """What the commands of a head have in their environment."""
    return dict(
        each.split("=", 1) for line in re.findall(r"^ +export (.*)$", text, flags=re.M) for each in line.split()
    )


def commands(text: str) -> list[list[str]]:
    """The `ctrlkit` commands of a head, without those that start one a second time."""
    lines = re.findall(r"^ +ctrlkit (.*)$", text, flags=re.M)
    return [shlex.split(line) for line in lines[:2]]


@asynccontextmanager
async def ctrlkit(folder: Path, arguments: list[str], exported: Mapping[str, str]) -> AsyncGenerator[Process]:
    """Run the command where `kc` is in a folder, for as long as the block lasts; it must end well."""
    paths = [f"{ROOT}/{each}" if each.endswith(".yaml") else each for each in arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **exported}
    command = [sys.executable, "-m", "ctrlkit", *paths]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=environment, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


@pytest.mark.real_time
@pytest.mark.parametrize(
    "example",
    [pytest.param(name, marks=[pytest.mark.long] if number else []) for number, name in enumerate(sorted(SHOWN))],
)
async def test_an_example_runs_as_its_head_says(example: str, tmp_path: Path) -> None:
    """The server with the manifests, the controller, and what it makes."""
    text = head(example)
    serve, run = commands(text)
    exported = exports(text)
    assert (serve[0], run[0]) == ("apiserver", "run")
    async with asyncio.timeout(DEADLINE_S), ctrlkit(tmp_path, serve, {}) as server:
        assert server.stdout is not None
        assert (await server.stdout.readline()).startswith(b"ready")
        arguments = [*run, "--endpoints-address", "off"]
        async with ctrlkit(tmp_path, arguments, exported), connect(kubeconfig=str(tmp_path / "kc")) as client:
            await client.patch(NAMESPACES, "default", MergePatch({"metadata": {"labels": {"team": "blue"}}}))
            assert await shown(client, *SHOWN[example])


async def shown(client: Client, resource: AnyResource, name: str, path: str) -> Any:
    """The field of an object in `default`, as soon as it is there."""
    whole = resource.of(Unstructured)
    async with client.watch(whole, namespace="default", field_selector=f"metadata.name={name}") as events:
        async for event in events:
            if isinstance(event, Applied) and (value := event.record.value.at(path)):
                return value
    raise AssertionError("the watch ended")


@pytest.mark.real_time
@pytest.mark.long
async def test_the_seventh_example_brings_its_server_along(tmp_path: Path) -> None:
    """One command: the kind of its type, the object of the file, and what becomes of both."""
    (run,) = commands(head("ex7_cache"))
    run[1] = f"{ROOT}/{run[1]}"
    async with asyncio.timeout(DEADLINE_S), ctrlkit(tmp_path, [*run, "--endpoints-address", "off"], {}) as program:
        assert program.stdout is not None
        assert (await program.stdout.readline()).startswith(b"export KUBECONFIG=")
        async with connect(kubeconfig=str(tmp_path / "kc")) as client:
            await served(client)
            assert await shown(client, CACHES, "orders", "status.ready") == 2


async def served(client: Client) -> None:
    """Wait until there are Caches."""
    while True:
        try:
            await client.get(CACHES, "default/orders")
        except NotFound:
            await asyncio.sleep(0.1)
        else:
            return
