"""
Explore: python -m tests.judge.rights [--minutes 15] [--seed 0] [--kubeconfig FILE]

Plays random policies and requests on a real server and on ours, and prints each new kind of difference once. Needs
$KUBEBUILDER_ASSETS, or the kubeconfig of a server that asks who may do what.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from contextlib import ExitStack

from ctrlkit.fakes import ControlPlane
from ctrlkit.fakes.releases import NEWEST
from tests.judge.rights.compare import both_servers, compared
from tests.judge.rights.scenes import scene_of

REQUESTS = 60
WITH_RBAC = ("--authorization-mode=Node,RBAC",)


async def explore(kubeconfig: str, release: str, *, minutes: float, start: int) -> None:
    """Play scenes until the time is over."""
    until = time.monotonic() + minutes * 60
    known: Counter[str] = Counter()
    played = asked = 0
    async with both_servers(kubeconfig, release) as (ours, real):
        while time.monotonic() < until:
            scene = scene_of(start + played, REQUESTS)
            marker = start + played
            answers = [await server.play(scene, marker) for server in (ours, real)]
            for one in compared(scene, *answers):
                if not known[one.signature]:
                    print(
                        f"scene {start + played}: {one.request.method} {one.request.path} {list(one.request.headers)}"
                    )
                    print(f"    {json.dumps(one.request.body)[:600]}")
                    print(*(f"    {line}" for line in one.lines[:5]), sep="\n", flush=True)
                known[one.signature] += 1
            played += 1
            asked += REQUESTS
    print(f"== {played} scenes, {asked} requests, {known.total()} answered otherwise in {len(known)} ways")
    for signature, count in known.most_common():
        print(f"{count:6} {signature}")


def main() -> None:
    """Read the command line and explore."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kubeconfig", default="")
    arguments = parser.parse_args()
    with ExitStack() as exits:
        kubeconfig, release = arguments.kubeconfig, NEWEST
        if not kubeconfig:
            plane = exits.enter_context(ControlPlane(flags=WITH_RBAC))
            kubeconfig, release = plane.kubeconfig, plane.release
        asyncio.run(explore(kubeconfig, release, minutes=arguments.minutes, start=arguments.seed))


if __name__ == "__main__":
    main()
