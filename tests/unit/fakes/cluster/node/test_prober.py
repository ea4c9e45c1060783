"""How containers are probed: which answers are asked for when, what is told, and what an answer leads to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from ctrlkit import clock
from ctrlkit.events import EventType
from ctrlkit.fakes.cluster import InProcessRuntime
from ctrlkit.fakes.cluster.node.activities import Activities
from ctrlkit.fakes.cluster.node.pod_plan import Container, Health, ProbeKind, containers_of
from ctrlkit.fakes.cluster.node.prober import Prober
from ctrlkit.fakes.cluster.node.runtime import (
    ContainerId,
    ContainerRefused,
    ContainerState,
    ProbeAction,
    ProbeErrored,
    ProbeResult,
    Running,
)
from ctrlkit.model import ObjectKey, Unstructured

KEY, ID = ObjectKey("default", "web"), ContainerId("u-1", "app")
GOOD, BAD = ProbeResult(ok=True), ProbeResult(ok=False, output="no")
Answer = ProbeResult | Exception | int


class Sink:
    """Takes the keys of activities that have ended."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def add(self, key: ObjectKey, why: str) -> None:
        self.woken.append(why)

    def synced(self) -> None:
        """Nothing waits for it."""


class Answers(InProcessRuntime):
    """A runtime with one container, which answers as it is told; a number is how long an answer takes."""

    def __init__(self) -> None:
        super().__init__(images={})
        self.answers: list[Answer] = []
        self.at_once: list[ProbeResult] = []
        self.asked = 0
        self.runs = True

    def state(self, container: ContainerId) -> ContainerState | None:
        return Running(datetime(2026, 1, 1, tzinfo=UTC)) if self.runs else None

    def answer(self, container: ContainerId, action: ProbeAction) -> ProbeResult | None:
        return self.at_once.pop(0) if self.at_once else None

    async def probe(self, container: ContainerId, action: ProbeAction, *, timeout_s: float) -> ProbeResult:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else GOOD
        if isinstance(answer, int):
            await asyncio.sleep(answer)
            return GOOD
        if isinstance(answer, Exception):
            raise answer
        return answer


class Probing:
    """A prober, its runtime, and what was told."""

    def __init__(self, **probes: Any) -> None:
        self.runtime, self.activities, self.sink = Answers(), Activities(), Sink()
        self.prober = Prober(self.runtime, self.activities)
        self.told: list[str] = []
        pod = Unstructured({"spec": {"containers": [{"name": "app", **probes}]}})
        self.container: Container = containers_of(pod)[0]
        self.began_at = clock.monotonic()

    def begin(self) -> None:
        self.began_at = clock.monotonic()
        self.prober.begin(ID, self.container, began_at=self.began_at)

    async def look(self, *, ending: bool = False) -> float | None:
        """Probe what is due; return in how many seconds to look again, from the start of the container."""
        moment = await self.prober.look(KEY, ID, self._tell, ending=ending)
        return None if moment is None else round(moment - self.began_at, 3)

    async def until(self, moment: float) -> float | None:
        """Look again when so many seconds have passed since the start."""
        await asyncio.sleep(self.began_at + moment - clock.monotonic())
        return await self.look()

    @property
    def health(self) -> Health:
        return self.prober.health(ID)

    def _tell(self, event_type: EventType, reason: str, message: str) -> None:
        self.told.append(f"{event_type.value} {reason}: {message}")


@asynccontextmanager
async def probing(**probes: Any) -> AsyncIterator[Probing]:
    one = Probing(**probes)
    running = asyncio.create_task(one.activities.run(one.sink), name="activities")  # type: ignore[arg-type]
    await asyncio.sleep(0)
    one.begin()
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.wait([running])


EXEC = {"exec": {"command": ["check"]}}


async def test_a_probe_is_asked_after_its_delay_and_then_each_period() -> None:
    """Not before, and not twice."""
    async with probing(readinessProbe={**EXEC, "initialDelaySeconds": 5, "periodSeconds": 10}) as one:
        one.runtime.answers = [BAD, GOOD]
        assert await one.look() == 5
        assert await one.until(4.9) == 5
        assert one.runtime.asked == 0
        assert await one.until(5) == 15
        assert (one.health.ready, one.told) == (False, ["Warning Unhealthy: Readiness probe failed: no"])
        assert await one.look() == 15
        assert await one.until(15) == 25
        assert (one.health.ready, one.runtime.asked) == (True, 2)


async def test_an_answer_that_takes_its_time_wakes_the_pod_and_is_not_asked_for_again_meanwhile() -> None:
    """A moment that has passed is made up for at once."""
    async with probing(readinessProbe={**EXEC, "periodSeconds": 2}) as one:
        one.runtime.answers = [5]
        assert await one.look() is None
        await asyncio.sleep(4)
        assert (await one.look(), one.runtime.asked, one.sink.woken) == (None, 1, [])
        await asyncio.sleep(1.1)
        assert one.sink.woken == ["readiness probe app has ended"]
        assert one.health.ready
        assert (await one.look(), one.runtime.asked) == (6, 2)


async def test_liveness_and_readiness_wait_for_the_startup_probe() -> None:
    """Then it is asked at once whether the container is ready, and never again whether it has started."""
    probes = {"startupProbe": {**EXEC, "periodSeconds": 3}, "readinessProbe": EXEC, "livenessProbe": EXEC}
    async with probing(**probes) as one:
        one.runtime.answers = [BAD, BAD, GOOD, GOOD]
        assert await one.look() == 3
        assert await one.until(3) == 6
        assert (one.health, one.runtime.asked) == (Health(started=False, ready=False), 1)
        await one.until(6)
        assert await one.until(9) == 10, "liveness is asked at the next of its moments"
        assert (one.health, one.runtime.asked) == (Health(), 4)


async def test_a_container_that_is_to_be_killed_is_not_asked_any_more() -> None:
    """Until it has been started again."""
    async with probing(livenessProbe={**EXEC, "periodSeconds": 1, "failureThreshold": 1}) as one:
        one.runtime.answers = [BAD]
        assert await one.until(1) is None
        assert one.health.failed is ProbeKind.LIVENESS
        one.begin()
        assert (await one.look(), one.health) == (1, Health())


async def test_a_probe_that_shows_nothing_is_tried_three_times_and_ignored() -> None:
    """An Event tells why."""
    async with probing(livenessProbe={**EXEC, "periodSeconds": 1, "failureThreshold": 1}) as one:
        cut_off, gone = ProbeErrored("cut off", state="failure"), ContainerRefused("x", "gone")
        one.runtime.answers = [cut_off, gone, ProbeErrored("why")]
        assert await one.until(1) == 2
        assert (one.runtime.asked, one.health) == (3, Health())
        assert one.told == ["Warning Unhealthy: Liveness probe errored and resulted in unknown state: why"]


async def test_a_port_that_there_is_not_is_told_and_asked_for_nobody() -> None:
    """At each moment anew."""
    async with probing(readinessProbe={"tcpSocket": {"port": "web"}}) as one:
        assert await one.look() == 10
        assert one.runtime.asked == 0
        text = 'strconv.Atoi: parsing "web": invalid syntax'
        assert one.told == [f"Warning Unhealthy: Readiness probe errored and resulted in unknown state: {text}"]


async def test_what_has_nothing_to_run_is_answered_at_once_of_a_pod_at_rest() -> None:
    """Its moment is the next one then, and who waits hears of it where it changes something."""
    async with probing(readinessProbe=EXEC, livenessProbe={**EXEC, "periodSeconds": 4}) as one:
        heard: list[str] = []

        def begin_due() -> float | None:
            moment = one.prober.begin_due(KEY, ID, one._tell, heard.append)
            return None if moment is None else moment - one.began_at

        one.runtime.at_once = [GOOD]
        assert (begin_due(), heard, one.health.ready) == (4, ["readiness probe app has ended"], True)
        await asyncio.sleep(4)
        one.runtime.at_once, heard[:] = [BAD], []
        assert (begin_due(), heard, one.told) == (8, [], ["Warning Unhealthy: Liveness probe failed: no"])
        await asyncio.sleep(4)
        assert begin_due() == 10, "the one that goes on has no moment"
        assert one.runtime.asked == 0
        await asyncio.sleep(0.1)
        assert (heard, one.runtime.asked, one.sink.woken) == (["liveness probe app has ended"], 1, [])


async def test_a_pod_that_ends_is_asked_only_whether_it_is_ready() -> None:
    """And a container that does not run is asked nothing; what was asked of it does not count."""
    async with probing(readinessProbe=EXEC, livenessProbe=EXEC) as one:
        one.runtime.answers = [ProbeResult(ok=True, output="elsewhere", warns=True), 5]
        assert await one.look(ending=True) == 10
        assert one.told == ["Warning ProbeWarning: Readiness probe warning: elsewhere"]
        await asyncio.sleep(10)
        assert await one.look(ending=True) is None
        one.runtime.runs = False
        assert await one.look(ending=True) is None
        await asyncio.sleep(5)
        assert one.runtime.asked == 2
        one.prober.forget(ID)
        assert one.health == Health()
