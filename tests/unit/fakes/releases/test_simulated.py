"""docs/simulated.md, and what a world says of loops that it does not run."""

from __future__ import annotations

from pathlib import Path

from ctrlkit.fakes import World
from ctrlkit.fakes.cluster import ALL, Loop
from ctrlkit.fakes.releases import NAMES, release
from ctrlkit.fakes.releases.simulated import DUTIES, VOLUMES, document
from ctrlkit.fakes.world.trace import Noted
from ctrlkit.model.kinds import JOBS

DOCUMENT = Path(__file__).parents[4] / "docs" / "simulated.md"


def test_the_page_is_what_the_command_writes() -> None:
    """`python -m ctrlkit.fakes.releases.simulated > docs/simulated.md` makes it anew."""
    assert DOCUMENT.read_text() == document()


def test_what_loops_do_is_told_of_kinds_and_loops_there_are() -> None:
    served = {".".join(filter(None, (kind.plural, kind.group))) for name in NAMES for kind in release(name).kinds}
    assert DUTIES.keys() <= served
    of_no_kind_alone = {Loop.GARBAGE, Loop.SCHEDULER, Loop.EPHEMERAL_VOLUMES, Loop.POD_GC, Loop.TAINT_EVICTION}
    of_no_kind_alone |= {Loop.NODE_LIFECYCLE, Loop.NODE_TTL}
    assert {duty.loop for duty in DUTIES.values() if duty.loop} == {loop.value for loop in ALL - of_no_kind_alone}


def test_each_source_of_a_volume_is_told_of() -> None:
    """Of pods, and those that PersistentVolumes alone have."""
    types = release(NAMES[-1]).types
    of_claims = {name for name, text in types["PersistentVolumeSpec"].items() if "in=PersistentVolumeSource" in text}
    assert VOLUMES.keys() == (types["Volume"].keys() - {"name"}) | of_claims


def job(name: str) -> dict[str, object]:
    """A Job that is complete enough to be made."""
    spec = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "web"}]}}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def noted(world: World) -> list[str]:
    """What the world's trace says that is neither change nor call."""
    return [str(entry) for entry in world.trace.entries if isinstance(entry, Noted)]


async def test_a_worlds_trace_says_once_of_a_kind_that_its_loop_does_not_run() -> None:
    async with World(job("first")) as world:
        await world.client.create(JOBS, job("second"))
        await world.client.create(JOBS, job("third"))
        assert noted(world) == [
            "no loop of jobs.batch runs here: a cluster makes pods until enough have succeeded; see docs/simulated.md"
        ]


async def test_a_loop_that_runs_is_not_told_of() -> None:
    pod = {"metadata": {"name": "a", "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    told = []
    for loops in ((), ALL):
        async with World({"apiVersion": "v1", "kind": "Pod", **pod}, cluster=loops) as world:
            await world.pass_time("1s")
            told.append([text for text in noted(world) if "pods" in text])
    assert [bool(texts) for texts in told] == [True, False]
