"""
Compare verdicts: python -m tests.judge.public_crds FOLDER [--kubeconfig FILE] [--objects 60] [--seed 1] [NAME ...]

FOLDER has clones of the repositories in sources.json (`--how` prints how to get them); each definition is created on a
real server and here, and so are random objects of its kind, valid ones and broken ones: some are only tried, others
created and changed. Two verdicts are the same if the code, the message, the causes, the warnings and the object are.
Without --kubeconfig a real server is started from $KUBEBUILDER_ASSETS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import yaml

from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.releases import NEWEST
from tests.judge.differential.compare import Answer, Plane, Server, both_servers, lines_between
from tests.judge.differential.seeds import NAMESPACE
from tests.judge.public_crds.objects import Objects
from tests.judge.public_crds.sources import Public, definitions, how_to_fill

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_MERGE = "application/merge-patch+json"
_PATIENCE_S = 20.0
_SHOWN = 3


class _Running(NamedTuple):
    """A server that runs already."""

    url: str
    kubeconfig: str
    release: str


class Verdicts:
    """The verdicts about the objects of one definition."""

    def __init__(self, public: Public, servers: tuple[Server, Server]) -> None:
        spec, version = public.definition["spec"], public.version["name"]
        self._public = public
        self._servers = servers
        within = f"/namespaces/{NAMESPACE}" if spec["scope"] == "Namespaced" else ""
        self._collection = f"/apis/{spec['group']}/{version}{within}/{spec['names']['plural']}"
        self._head = {"apiVersion": f"{spec['group']}/{version}", "kind": spec["names"]["kind"]}
        self.asked = 0
        self.accepted = 0
        self.differences: list[tuple[str, Any, tuple[str, ...]]] = []

    async def compare(self, count: int, seed: int) -> None:
        """Define the kind on both servers, and ask them about so many objects."""
        name = self._public.definition["metadata"]["name"]
        for server in self._servers:
            await server.ask("DELETE", f"{_CRDS}/{name}")
        answers = [await self._define(server, name) for server in self._servers]
        if not all(answers):
            self.differences.append(("define", None, (f"defined here and there: {answers}",)))
            return
        for number, plain in enumerate(objects_of(self._public, count, seed)):
            whole = {**self._head, "metadata": {"name": f"o{number}"}, **plain}
            if number % 3:
                await self._ask("POST", f"{self._collection}?dryRun=All", whole)
            else:
                await self._live(whole, seed + number)
        for server in self._servers:
            await server.ask("DELETE", f"{_CRDS}/{name}")

    async def _define(self, server: Server, name: str) -> bool:
        answer: Answer = {}
        async with asyncio.timeout(_PATIENCE_S):
            while answer.get("status") not in (200, 201, 422):
                answer = await server.ask("POST", _CRDS, self._public.definition)
                if answer["status"] == 409:  # the old one is still going
                    await asyncio.sleep(0.1)
            while (await server.ask("GET", f"{self._collection}?limit=1"))["status"] != 200:
                if answer["status"] == 422:
                    print(str(answer["body"]["message"])[:500])
                    return False
                await asyncio.sleep(0.05)
        del name
        return True

    async def _live(self, whole: dict[str, Any], seed: int) -> None:
        """Create an object and change it twice, if it can be created."""
        if not await self._ask("POST", self._collection, whole):
            return
        path = f"{self._collection}/{whole['metadata']['name']}"
        changes = Objects(Random(seed))
        for _ in range(2):
            spec = {name: part for name, part in changes.broken(whole).items() if name not in self._head}
            spec["metadata"] = {"labels": {"a": "b"}}
            await self._ask("PATCH", path, spec, _MERGE)
        for server in self._servers:
            await server.ask("DELETE", path)

    async def _ask(self, method: str, path: str, body: Any, content_type: str = "application/json") -> bool:
        ours, real = [await server.ask(method, path, body, content_type) for server in self._servers]
        self.asked += 1
        self.accepted += real["status"] < 300
        lines = lines_between(ours, real)
        if lines:
            self.differences.append((f"{method} {path}", body, lines))
        return bool(ours["status"] < 300 and real["status"] < 300)


def objects_of(public: Public, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield random objects of a definition; every second is broken."""
    for number in range(count):
        objects = Objects(Random(f"{public.definition['metadata']['name']} {seed} {number}"))
        plain = objects.object(public.schema)
        yield objects.broken(plain) if number % 2 else plain


async def _run(plane: Plane, given: argparse.Namespace) -> int:
    total = differing = 0
    async with both_servers(plane) as servers:
        for public in definitions(given.folder):
            name = public.definition["metadata"]["name"]
            if given.names and not any(part in name for part in given.names):
                continue
            verdicts = Verdicts(public, servers)
            await verdicts.compare(given.objects, given.seed)
            total, differing = total + verdicts.asked, differing + len(verdicts.differences)
            for request, body, lines in verdicts.differences[: given.show]:
                print(f"  {request}", *(f"    {line}" for line in lines[:_SHOWN]), sep="\n")
                print(f"    {json.dumps(body)}")
            same = verdicts.asked - len(verdicts.differences)
            print(
                f"{name} ({public.source}): {public.fields} fields, {same} of {verdicts.asked} the same, "
                f"{verdicts.accepted} accepted",
                flush=True,
            )
    print(f"{total - differing} of {total} verdicts the same ({100 * (total - differing) / max(total, 1):.2f} %)")
    return int(differing > 0)


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="parts of names of definitions; all without")
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=5, help="differences to show of each kind")
    parser.add_argument("--how", action="store_true", help="say how the folder is filled, and stop")
    given = parser.parse_args()
    if given.how:
        print(how_to_fill(given.folder))
        return
    with ExitStack() as exits:
        if given.kubeconfig:
            config = yaml.safe_load(given.kubeconfig.read_text())
            plane: Plane = _Running(config["clusters"][0]["cluster"]["server"], str(given.kubeconfig), NEWEST)
        else:
            plane = exits.enter_context(ControlPlane())
        raise SystemExit(asyncio.run(_run(plane, given)))


if __name__ == "__main__":
    main()
