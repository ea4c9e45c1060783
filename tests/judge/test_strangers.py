"""Definitions made of strangers' classes on a real server: what it stores the classes read as it was written."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from ctrlkit.crd import definition_of
from ctrlkit.errors import DecodeError
from ctrlkit.fakes import ControlPlane
from tests.judge.differential.compare import Server, both_servers
from tests.judge.differential.seeds import NAMESPACE
from tests.judge.public_crds.objects import Objects
from tests.judge.public_crds.same import defined, verdict
from tests.unit.crd.strangers import CASES, Case
from tests.unit.crd.test_strangers import body_of, read

pytestmark = [pytest.mark.judge, pytest.mark.real_time, pytest.mark.timeout(600)]
RANDOM_OBJECTS = 40


async def _compare(servers: tuple[Server, ...], name: str, case: Case) -> list[str]:
    """Everything that is otherwise than it should be."""
    found: list[str] = []
    definition = definition_of(case.resource)
    path = f"/apis/{case.resource.api_version}/namespaces/{NAMESPACE}/{case.resource.plural}?dryRun=All"
    for server in servers:
        await defined(server, definition, path, body_of(case.resource, case.values[0], "probe"))

    async def ask(spec: Any) -> tuple[int, Any]:
        body = body_of(case.resource, spec, "a")
        body["metadata"]["namespace"] = NAMESPACE
        answers = [await server.ask("POST", path, body) for server in servers]
        if len({verdict(one) for one in answers}) > 1:
            found.append(f"{name}: {body['spec']}: {[verdict(one) for one in answers]}")
        return answers[-1]["status"], answers[-1]["body"]

    answers = [(value, *await ask(value)) for value in case.values]
    found += [
        f"{name}: {value} is stored as {stored}"
        for value, status, stored in answers
        if status != 201 or read(case.resource, stored) != value
    ]
    found += [f"{name}: {spec} is taken" for spec in case.refused if (await ask(spec))[0] == 201]
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    objects = Objects(Random(name))
    for number in range(RANDOM_OBJECTS):
        made = objects.value(schema)
        status, stored = await ask(objects.broken(made) if number % 2 else made)
        try:
            _ = read(case.resource, stored) if status == 201 else None
        except DecodeError as error:
            if "`array`" not in str(error):  # servers take a list in the place of a text with a format
                found.append(f"{name}: {stored['spec']} is taken and not read: {error}")
    for server in servers:
        await server.ask("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{case.resource}")
    return found


def test_what_a_real_server_takes_the_classes_read(own_control_plane: ControlPlane) -> None:
    """Each value as it was written; a random object is read, or refused, by both servers alike."""

    async def run() -> list[str]:
        async with both_servers(own_control_plane) as servers:
            return [line for name, case in CASES.items() for line in await _compare(servers, name, case)]

    found = asyncio.run(run())
    assert not found, "\n".join(found)
