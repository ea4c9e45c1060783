"""
Ask about objects under public definitions and under ours: python -m tests.judge.public_crds.same FOLDER [--objects 40]

FOLDER has the files that tests/unit/crd/public/sources.json names, side by side. Each definition without its rules in
CEL, and the one that comes out of the classes, is created on a real server (from $KUBEBUILDER_ASSETS) and here, and
random objects are tried under each of the four: their verdicts must be the same.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctrlkit.crd import definition_of
from ctrlkit.fakes import ControlPlane
from tests.judge.differential.compare import Server, both_servers
from tests.judge.differential.seeds import NAMESPACE
from tests.judge.public_crds.__main__ import objects_of
from tests.judge.public_crds.classes import find, without_rules
from tests.judge.public_crds.sources import Public

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SOURCES = Path(__file__).parents[2] / "unit" / "crd" / "public" / "sources.json"
_PATIENCE_S = 20.0

Verdict = tuple[int, str]


async def verdicts(server: Server, definition: Mapping[str, Any], bodies: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """Define a kind, try objects of it, and undefine it; returns what the server said of each."""
    name, spec = definition["metadata"]["name"], definition["spec"]
    versions = [{**one, "subresources": _without_scale(one)} for one in spec["versions"]]
    plain = {**definition, "spec": {**spec, "versions": versions, "conversion": {"strategy": "None"}}}
    version = next(one["name"] for one in spec["versions"] if one["storage"])
    within = f"/namespaces/{NAMESPACE}" if spec["scope"] == "Namespaced" else ""
    path = f"/apis/{spec['group']}/{version}{within}/{spec['names']['plural']}?dryRun=All"
    head = {"apiVersion": f"{spec['group']}/{version}", "kind": spec["names"]["kind"]}
    await defined(server, plain, path, {**head, "metadata": {"name": "probe"}})
    found = [verdict(await _ask(server, path, {**head, **body})) for body in bodies]
    await server.ask("DELETE", f"{_CRDS}/{name}")
    return found


async def defined(server: Server, definition: Mapping[str, Any], path: str, probe: Mapping[str, Any]) -> None:
    """Define a kind, and wait until it is served at a path."""
    async with asyncio.timeout(_PATIENCE_S):
        while (answer := await server.ask("POST", _CRDS, definition)).get("status") not in (201, 422):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert answer["status"] == 201, answer
        while (await server.ask("POST", path, probe)).get("status") == 404:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.1)


def _without_scale(version: Mapping[str, Any]) -> dict[str, Any]:
    """The subresources that the schema is about."""
    return {name: one for name, one in (version.get("subresources") or {}).items() if name != "scale"}


async def _ask(server: Server, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Try an object; a server that has just learned of a kind may not find it everywhere yet."""
    async with asyncio.timeout(_PATIENCE_S):
        while (answer := await server.ask("POST", path, body)).get("status") == 404:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return answer


def verdict(answer: Mapping[str, Any]) -> Verdict:
    """Return what a server said of an object, without what differs each time."""
    body = answer.get("body") or {}
    if answer["status"] != 201:
        causes = body.get("details", {}).get("causes") or ()  # a real server has them in an order of chance
        return answer["status"], "\n".join(sorted(json.dumps(cause, sort_keys=True) for cause in causes))
    return 201, json.dumps({k: v for k, v in body.items() if k != "metadata"}, sort_keys=True)


async def main(folder: Path, count: int) -> int:
    """Compare all; returns how many verdicts differ."""
    differing = 0
    with ControlPlane() as plane:
        async with both_servers(plane) as servers:
            for source in json.loads(_SOURCES.read_text()):
                theirs = without_rules(find(folder / Path(source["file"]).name, source["name"]))
                ours = definition_of(*importlib.import_module(f"tests.unit.crd.public.{source['module']}").VERSIONS)
                public = Public(source["repository"], theirs, 0)
                bodies = [
                    {"metadata": {"name": f"o{number}"}, **plain}
                    for number, plain in enumerate(objects_of(public, count, 1))
                ]
                found = [await verdicts(server, one, bodies) for server in servers for one in (theirs, ours)]
                unlike = [row for row in zip(*found, strict=True) if len(set(row)) > 1]
                differing += len(unlike)
                taken = sum(row[0] == 201 for row in found[0])
                lines = [f"{source['name']}: {len(bodies)} objects, {taken} taken, {len(unlike)} verdicts differ"]
                lines += [f"    {one}"[:400] for row in unlike[:2] for one in row]
                sys.stdout.write("\n".join(lines) + "\n")
    return differing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.judge.public_crds.same")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--objects", type=int, default=40)
    arguments = parser.parse_args()
    raise SystemExit(1 if asyncio.run(main(arguments.folder, arguments.objects)) else 0)
