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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml

from ctrlkit.cli.crd import Kinds, kinds_in
from ctrlkit.client import Client
from ctrlkit.crd.fields import is_owned
from ctrlkit.crd.manifest import definition_of
from ctrlkit.errors import AlreadyExists, ConfigError, NotFound
from ctrlkit.manager import Manager
from ctrlkit.manager.program import Preparation
from ctrlkit.model import AnyResource, OnConflict, Resource, Scope, Unstructured, custom_resource, kinds
from ctrlkit.model.kinds import CUSTOM_RESOURCE_DEFINITIONS
from ctrlkit.telemetry import logger

STOP_WITHIN_S: Final = 10.0
SERVED_WITHIN_S: Final = 10.0
_DEFINITION: Final = "CustomResourceDefinition"
_LOOK_S: Final = 0.1
"""From one look at a definition to the next, until its kind is served."""

_log = logger("run")


@contextmanager
def api_server(kubeconfig: str | None) -> Iterator[tuple[Path, Path]]:
    """
    Run a server for the length of a block, and yield the path of its kubeconfig, and that of the mark for `installer`.

    Errors  SystemExit with its status where it does not start: its own line on standard error says why. ConfigError
            where it ended without one.
    """
    with tempfile.TemporaryDirectory(prefix="ctrlkit-") as folder:
        path = Path(kubeconfig or Path(folder, "kubeconfig")).absolute()
        command = [sys.executable, "-m", "ctrlkit", "apiserver", "--with-parent", "--kubeconfig", str(path)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            assert process.stdout is not None
            if not process.stdout.readline().startswith("ready "):
                status = process.wait()
                if status > 0:
                    raise SystemExit(status)
                raise ConfigError(f"run --apiserver: the server ended before it was ready, with status {status}")
            yield path, Path(folder, "told")
        finally:
            process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def installer(module: Any, seeds: Sequence[str] = (), *, kubeconfig: str, told: Path) -> Preparation:
    """
    Return what has the server serve the kinds of a module, those that a manager's caches need besides, and the objects
    of files, as far as they are not there; then it says on standard output where the kubeconfig is.

    That is said once: after it the file `told` is there, and whoever finds it says nothing.
    Errors  ConfigError for a file that cannot be read, or has an object of a kind that nobody defines.
    """
    objects = [thing for path in seeds for thing in _objects(path)]

    async def install(client: Client, manager: Manager) -> None:
        watched = [informer.resource for informer in manager.informers]
        own = _own_kinds(module, watched).values()
        definitions: dict[str, Mapping[str, Any]] = {str(each[0]): definition_of(*each) for each in own}
        definitions |= {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == _DEFINITION}
        for resource in watched:
            if resource.is_custom and str(resource) not in definitions and not await _is_there(client, str(resource)):
                definitions[str(resource)] = _loose(resource)
        for name, definition in definitions.items():
            await client.apply(CUSTOM_RESOURCE_DEFINITIONS, name, definition, on_conflict=OnConflict.FORCE)
            await _served(client, name)
            _log.info("definition_installed", definition=name)
        known = _resources(definitions.values()) | {(each.api_version, each.kind): each for each in watched}
        for thing in objects:
            if thing["kind"] != _DEFINITION:
                await _create(client, known, thing)
        if not told.exists():  # noqa: ASYNC240 - a look at a file of this machine
            sys.stdout.write(f"export KUBECONFIG={kubeconfig}\n")
            sys.stdout.flush()
            told.touch()  # noqa: ASYNC240

    return install


def _own_kinds(module: Any, watched: Iterable[AnyResource]) -> Kinds:
    """The program's own kinds: a module's, and those that it imports or watches, with the versions that are at home."""
    tried = f"install the kinds of {module.__name__}"
    kinds = dict(kinds_in(module, tried=tried))
    used = [each for each in (*vars(module).values(), *watched) if isinstance(each, Resource) and is_owned(each)]
    for resource in used:
        if resource.identity not in kinds:
            home = sys.modules.get(resource.type.__module__)
            there = kinds_in(home, tried=tried) if home else {}
            versions = {each.version: each for each in reversed(used) if each.identity == resource.identity}
            kinds[resource.identity] = there.get(resource.identity) or tuple(versions.values())
    return kinds


def _objects(path: str) -> Iterator[Unstructured]:
    tried = f"run --seed {path}"
    try:
        for thing in yaml.safe_load_all(Path(path).read_text(encoding="utf-8")):
            if thing is None:
                continue
            if not (isinstance(thing, dict) and thing.get("kind") and (thing.get("metadata") or {}).get("name")):
                raise ConfigError(
                    f"{tried}: it has something that is no object with kind and metadata.name; correct it"
                )
            yield Unstructured(thing)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{tried}: {' '.join(str(error).split())}; name a manifest that can be read") from None


def _resources(definitions: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], AnyResource]:
    """All kinds that are known by name: built-in ones, and those of the definitions."""
    known = {(each.api_version, each.kind): each for each in vars(kinds).values() if isinstance(each, Resource)}
    for definition in definitions:
        spec = definition["spec"]
        for version in spec["versions"]:
            made = custom_resource(
                group=spec["group"],
                version=version["name"],
                kind=spec["names"]["kind"],
                plural=spec["names"]["plural"],
                scope=Scope(spec["scope"]),
            )
            known[made.api_version, made.kind] = made
    return known


async def _create(client: Client, known: Mapping[tuple[str, str], AnyResource], thing: Unstructured) -> None:
    resource = known.get((str(thing.get("apiVersion")), thing["kind"]))
    if resource is None:
        raise ConfigError(
            f"run --seed: {thing.get('apiVersion')} {thing['kind']} {thing.key.name} is of a kind that nobody defines; "
            "add its CustomResourceDefinition to the files, or its type to the module"
        )
    namespace = (thing.key.namespace or "default") if resource.namespaced else ""
    with suppress(AlreadyExists):
        await client.create(resource, thing, namespace=namespace)


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
