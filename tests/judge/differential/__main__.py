"""
Explore: python -m tests.judge.differential [--minutes 60] [--examples 300] [KIND ...]

Needs $KUBEBUILDER_ASSETS; ours is of the same release. Each new difference is printed once, shrunk, with the requests
that show it.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.releases import KindFacts, Release, release
from ctrlkit.fakes.tracker.schema.types import types_of
from tests.judge.differential.compare import Difference, Server, Steps, both_servers, difference
from tests.judge.differential.requests import Change, Requests, Step

_PHASES = (Phase.generate, Phase.shrink)


class _Found(Exception):
    """A new difference."""


def explore(
    runner: asyncio.Runner,
    servers: tuple[Server, Server],
    kind: KindFacts,
    is_known: Callable[[Difference], bool],
    *,
    server: str,
    examples: int,
    start: int,
) -> tuple[Steps, Difference] | None:
    """Return a new difference of a kind, shrunk; None if none of so many examples shows one."""
    requests = Requests(kind, types_of(server))
    smallest: list[tuple[Steps, Difference]] = []

    @seed(start)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=_PHASES, suppress_health_check=list(HealthCheck)
    )
    @given(requests.sequences())
    def search(steps: Steps) -> None:
        found = runner.run(_compared(servers, requests, steps))
        if found is not None and not is_known(found):
            smallest.append((steps, found))
            raise _Found

    try:
        search()
    except _Found:
        return smallest[-1]
    except Flaky:  # what is by chance is no difference
        print(f"{kind.api_version} {kind.kind}: by chance: {json.dumps(smallest[-1][0], default=_plain)}")
        print(*(f"    {line}" for line in smallest[-1][1].lines[:6]), sep="\n")
        return None
    return None


def _is_among(signatures: set[tuple[str, str]], found: Difference) -> bool:
    return found.signature in signatures


def _plain(part: Step | Change) -> list[Any]:
    if isinstance(part, Change):
        return [part.what, part.path, part.value]
    return [part.word, part.given, part.query]


async def _compared(servers: tuple[Server, Server], requests: Requests, steps: Steps) -> Difference | None:
    ours, real = [await server.run(requests, steps) for server in servers]
    return difference(steps, ours, real)


def kinds_of(server: Release) -> list[KindFacts]:
    """Return the kinds to make requests about: those that are stored, but for a few that change what is served."""
    left_out = ("Namespace", "Node", "CustomResourceDefinition")
    return [one for one in server.kinds if "create" in one.verbs and one.storage_hash and one.kind not in left_out]


def main() -> None:
    """Go through the kinds until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given_arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the control plane ends with this program
    plane = ControlPlane()
    kinds = kinds_of(release(plane.release))
    if given_arguments.kinds:
        kinds = [one for one in kinds if one.kind in given_arguments.kinds]
    until = time.monotonic() + given_arguments.minutes * 60
    known: dict[str, set[tuple[str, str]]] = {f"{one.api_version} {one.kind}": set() for one in kinds}
    start = given_arguments.seed
    with plane, asyncio.Runner() as runner:
        stack = both_servers(plane)
        servers = runner.run(stack.__aenter__())
        while time.monotonic() < until and kinds:
            for kind in kinds:
                name = f"{kind.api_version} {kind.kind}"
                while time.monotonic() < until:
                    found = explore(
                        runner,
                        servers,
                        kind,
                        functools.partial(_is_among, known[name]),
                        server=plane.release,
                        examples=given_arguments.examples,
                        start=start,
                    )
                    if found is None:
                        break
                    steps, one = found
                    known[name].add(one.signature)
                    print(f"{name}: step {one.step} ({one.word})")
                    print(*(f"    {line}" for line in one.lines[:6]), sep="\n")
                    print(f"    steps {json.dumps(steps, default=_plain)}")
                print(f"== {name}: {len(known[name])} differences, seed {start}", flush=True)
            start += 1
        runner.run(stack.__aexit__(None, None, None))


if __name__ == "__main__":
    main()
