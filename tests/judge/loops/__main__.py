"""Plays random programs on both sides, and shows the first step after which they differ."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from ctrlkit.fakes import LiveWorld, World
from ctrlkit.fakes.cluster import ALL, Cluster, InProcessRuntime
from ctrlkit.fakes.loop import VirtualTimeLoop
from ctrlkit.telemetry import LogLevel, configure_logging
from tests.judge.loops.program import Step, play, program_of
from tests.judge.loops.rounds import go_round
from tests.judge.loops.state import Objects, read, state_of
from tests.judge.test_stories import kubelet
from tests.stories.scene import IMAGES, Scene

LENGTH = 8
AT_ONCE = 8
_STEP_S = 5.0
"""So long our loops have for a step, on their own clock."""
_MOSTLY_S = 1.5
"""After so long a step has mostly come to its end on a real control plane; if not, that costs a round."""


Played = Sequence[tuple[str, Objects]]
"""After each step of a program: what was refused, and what there is."""


@dataclass(frozen=True)
class Found:
    """Where two worlds differ: after which step of which program, and how."""

    seed: int
    steps: Sequence[Step]
    lines: tuple[str, ...]

    def __str__(self) -> str:
        steps = "\n".join(f"  {step}" for step in self.steps)
        return f"seed {self.seed}, after\n{steps}\n" + "\n".join(self.lines)


async def _in_a_world(steps: Sequence[Step]) -> Played:
    async with InProcessRuntime(images=IMAGES) as runtime, World() as world:
        world.start(Cluster(world.client, runtime, loops=ALL, tracker=world.tracker, root_ca="PEM"))
        await world.settle()
        played = []
        for step in steps:
            refusal = await play(world.client, world.namespace, step)
            await world.advance(_STEP_S)
            played.append((refusal, await read(world.client, world.namespace)))
        return played


async def _live(kubeconfig: str, steps: Sequence[Step]) -> Played:
    async with LiveWorld(kubeconfig=kubeconfig) as world, LiveWorld(kubeconfig=kubeconfig) as beside:
        await go_round(Scene(beside))  # controllers start one after the other
        played = []
        for step in steps:
            refusal = await play(world.client, world.namespace, step)
            played.append((refusal, await _at_rest(world, Scene(beside))))
        return played


async def _at_rest(world: LiveWorld, beside: Scene) -> Objects:
    """Wait until nothing has changed during a round."""
    await asyncio.sleep(_MOSTLY_S)
    found = await read(world.client, world.namespace)
    while True:
        before = found
        await go_round(beside)
        found = await read(world.client, world.namespace)
        if state_of(found) == state_of(before):
            return found


def compared(seed: int, ours: Played, real: Played) -> Found | None:
    """The first step after which the states differ."""
    steps = program_of(seed, LENGTH)
    for count, ((our_word, our_objects), (real_word, real_objects)) in enumerate(zip(ours, real, strict=True), 1):
        lines = [f"refused: {our_word} here, {real_word} there"] if our_word != real_word else []
        our_state = state_of(our_objects)
        for kind, wanted in state_of(real_objects).items():
            lines += _difference(kind, our_state[kind], wanted)
        if lines:
            return Found(seed, steps[:count], tuple(lines))
    return None


def _difference(kind: str, ours: list[object], real: list[object]) -> list[str]:
    if ours == real:
        return []
    here, there = (yaml.safe_dump(found, width=200).splitlines() for found in (ours, real))
    return [f"{kind}:", *difflib.unified_diff(here, there, "here", "there", lineterm="", n=2)]


async def explore(kubeconfig: str, seeds: Sequence[int]) -> list[Found]:
    """Play the programs of some seeds on both sides; where they differ."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def live(seed: int) -> Played:
        async with at_once:
            return await _live(kubeconfig, program_of(seed, LENGTH))

    real = await asyncio.gather(*map(live, seeds))
    ours = [await asyncio.to_thread(_ours, seed) for seed in seeds]
    found = (compared(*one) for one in zip(seeds, ours, real, strict=True))
    return [one for one in found if one]


def _ours(seed: int) -> Played:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_in_a_world(program_of(seed, LENGTH)))


async def _main(kubeconfig: str, seeds: Sequence[int]) -> int:
    configure_logging(level=LogLevel.ERROR)
    async with kubelet(kubeconfig):
        found = await explore(kubeconfig, seeds)
    for one in found:
        sys.stdout.write(f"{one}\n\n")
    sys.stdout.write(f"{len(found)} of {len(seeds)} programs differ\n")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kubeconfig", help="of a real control plane with its controllers, and no node but ours")
    parser.add_argument("--seeds", default="1-8", help="FIRST-LAST")
    given = parser.parse_args()
    first, _, last = given.seeds.partition("-")
    sys.exit(asyncio.run(_main(given.kubeconfig, range(int(first), int(last or first) + 1))))
