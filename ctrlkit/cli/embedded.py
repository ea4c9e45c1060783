"""
`ctrlkit run --apiserver`: an API server beside the program, with the kinds of its module.

The server is the command `ctrlkit apiserver`, which the extra `fakes` brings, in a process of its own: it is there
before the program and after it, also while the program is started again. It ends with the process that started it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ctrlkit.cli.crd import kinds_in
from ctrlkit.client import Client
from ctrlkit.crd.manifest import definition_of
from ctrlkit.errors import ConfigError, NotFound
from ctrlkit.manager import Manager
from ctrlkit.manager.program import Preparation
from ctrlkit.model import AnyResource, OnConflict, Unstructured
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from ctrlkit.telemetry import logger

STOP_WITHIN_S: Final = 10.0
SERVED_WITHIN_S: Final = 10.0
_LOOK_S: Final = 0.1
"""From one look at a definition to the next, until its kind is served."""

_log = logger("run")


@contextmanager
def api_server(kubeconfig: str | None, seeds: Sequence[str]) -> Iterator[Path]:
    """
    Run a server for the length of a block, and yield the path of its kubeconfig, which is said on standard output.

    Errors  ConfigError where it does not start; its own line on standard error says why.
    """
    with tempfile.TemporaryDirectory(prefix="ctrlkit-") as folder:
        path = Path(kubeconfig or Path(folder, "kubeconfig")).absolute()
        command = [sys.executable, "-m", "ctrlkit", "apiserver", "--with-parent", "--kubeconfig", str(path), *seeds]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            assert process.stdout is not None
            if not process.stdout.readline().startswith("ready "):
                raise ConfigError(
                    f"run --apiserver: the server ended before it was ready, with status {process.wait()}"
                )
            sys.stdout.write(f"export KUBECONFIG={path}\n")
            sys.stdout.flush()
            yield path
        finally:
            process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def installer(module: Any) -> Preparation:
    """Return what has the server serve the kinds of a module, and those that a manager's caches need besides."""

    async def install(client: Client, manager: Manager) -> None:
        kinds = kinds_in(module, tried=f"install the kinds of {module.__name__}").values()
        definitions = {str(versions[0]): dict(definition_of(*versions)) for versions in kinds}
        for informer in manager.informers:
            resource = informer.resource
            if resource.is_custom and str(resource) not in definitions and not await _is_there(client, str(resource)):
                definitions[str(resource)] = _loose(resource)
        for name, definition in definitions.items():
            await client.apply(CUSTOM_RESOURCE_DEFINITIONS, name, definition, on_conflict=OnConflict.FORCE)
            await _served(client, name)
            _log.info("definition_installed", definition=name)

    return install


def _loose(resource: AnyResource) -> dict[str, Any]:
    """A definition that says nothing of the objects: for a kind without a type, or of somebody else."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
        "subresources": {"status": {}},
    }
    names = {"kind": resource.kind, "plural": resource.plural, "listKind": resource.list_kind}
    spec = {"group": resource.group, "scope": resource.scope.value, "names": names, "versions": [version]}
    return {"metadata": {"name": str(resource)}, "spec": spec}


async def _is_there(client: Client, name: str) -> bool:
    try:
        await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)
    except NotFound:
        return False
    return True


async def _served(client: Client, name: str) -> None:
    try:
        async with asyncio.timeout(SERVED_WITHIN_S):
            while not _is_established(await client.get(CUSTOM_RESOURCE_DEFINITIONS, name)):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise ConfigError(
            f"install {name}: it was not served within {SERVED_WITHIN_S:g} s; see the definition's conditions"
        ) from None


def _is_established(definition: Unstructured) -> bool:
    conditions = definition.at("status.conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
