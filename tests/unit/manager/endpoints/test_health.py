"""What is said of checks (row M9)."""

from __future__ import annotations

import asyncio
import re
import threading

import pytest
from structlog.testing import capture_logs

from ctrlkit.manager.endpoints import health as module
from ctrlkit.manager.endpoints.health import (
    Check,
    CheckKind,
    Checks,
    Heartbeat,
    Reasons,
    loop_lag,
    ping,
    report,
    single,
    worded,
)

CHECKS: dict[str, Check] = {
    "ping": ping,
    "cache": worded(lambda: "not\nfilled"),
    "queue": worded(lambda: ""),
}
FINE: dict[str, Check] = {"ping": ping, "queue": worded(lambda: "")}


@pytest.mark.behaviour("M9")
@pytest.mark.parametrize(
    ("checks", "exclude", "verbose", "reasons", "text"),
    [
        (FINE, (), False, Reasons.SHOWN, "ok"),
        (FINE, (), True, Reasons.SHOWN, "[+]ping ok\n[+]queue ok\nreadyz check passed"),
        (FINE, ("queue",), True, Reasons.SHOWN, "[+]ping ok\n[+]queue excluded: ok\nreadyz check passed"),
        (FINE, ("queue",), False, Reasons.SHOWN, "ok"),
        (
            FINE,
            ("nope",),
            True,
            Reasons.SHOWN,
            "[+]ping ok\n[+]queue ok\nwarn: some health checks cannot be excluded: no matches for 'nope'\n"
            "readyz check passed",
        ),
        (
            CHECKS,
            (),
            False,
            Reasons.WITHHELD,
            "[+]ping ok\n[-]cache failed: reason withheld\n[+]queue ok\nreadyz check failed",
        ),
        (
            CHECKS,
            (),
            False,
            Reasons.SHOWN,
            "[+]ping ok\n[-]cache failed: not filled\n[+]queue ok\nreadyz check failed",
        ),
        (CHECKS, ("cache",), False, Reasons.SHOWN, "ok"),
    ],
)
def test_the_aggregate(
    checks: dict[str, Check], exclude: tuple[str, ...], verbose: bool, reasons: Reasons, text: str
) -> None:
    """Terse when all is well, a line for each check when asked for or when one fails."""
    found = report(CheckKind.READYZ, checks, exclude=exclude, verbose=verbose, reasons=reasons)
    assert (found.failed, found.text) == (text.endswith("failed"), text)


@pytest.mark.behaviour("M9")
def test_a_single_check_tells_its_reason_to_who_may_know() -> None:
    """To everybody else only that it failed."""
    assert single(CHECKS["cache"], Reasons.SHOWN).text == "failed: not\nfilled"
    assert single(CHECKS["cache"], Reasons.WITHHELD).text == "failed: reason withheld"
    assert single(CHECKS["queue"], Reasons.WITHHELD).text == "ok"


def test_a_check_that_raises_has_failed_and_the_others_are_asked() -> None:
    """Whatever it raises is its answer."""

    def broken() -> str:
        raise KeyError("spec")

    found = report(
        CheckKind.HEALTHZ,
        {"broken": worded(broken), "ping": ping},
        exclude=(),
        verbose=False,
        reasons=Reasons.SHOWN,
    )
    assert found.text == "[-]broken failed: the check itself raised KeyError('spec')\n[+]ping ok\nhealthz check failed"


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a?b", "a%20b", "a\nb"])
def test_a_name_that_no_path_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="add a check to readyz"):
        Checks().add(name, lambda: "", kind=CheckKind.READYZ)


def test_a_name_is_taken_once_for_each_question() -> None:
    """The same name may stand at both."""
    checks = Checks()
    checks.add("disk", lambda: "", kind=CheckKind.READYZ)
    checks.add("disk", lambda: "", kind=CheckKind.HEALTHZ)
    with pytest.raises(ValueError, match="there is one named 'disk'"):
        checks.add("disk", lambda: "", kind=CheckKind.READYZ)


async def test_a_loop_that_is_held_up_is_not_ready_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay is counted, named, and forgotten after sixty beats on time."""
    heartbeat = Heartbeat()
    with heartbeat.beating():
        await asyncio.sleep(3.5)
        assert (heartbeat.worst_s, loop_lag(heartbeat)) == (0.0, "")
        with monkeypatch.context() as patch, capture_logs() as lines:
            held_up = asyncio.get_running_loop().time() + 7
            patch.setattr(module, "monotonic", lambda: held_up)
            await asyncio.sleep(1)
        assert [(line["event"], line["held_s"]) for line in lines] == [("loop_held", 6.5)]
        assert loop_lag(heartbeat).startswith("the event loop was held up for 6.5 s within the last minute")
        assert heartbeat.statistics().counts[-2] == 1
        await asyncio.sleep(70)
        assert loop_lag(heartbeat) == ""


@pytest.mark.parametrize("looks", [1, 2])
async def test_who_holds_the_loop_is_seen_from_another_thread(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """The line of the program that runs, and its task's name, by the second look: the first may come before a beat."""
    heartbeat = Heartbeat()
    of = (asyncio.get_running_loop(), threading.get_ident())

    async def holds() -> None:
        for _ in range(looks):
            thread = threading.Thread(target=heartbeat._watch.look, args=of)
            thread.start()
            thread.join()

    with heartbeat.beating(), monkeypatch.context() as patch, capture_logs() as lines:
        held_up = of[0].time() + 7
        patch.setattr(module, "monotonic", lambda: held_up)
        await asyncio.create_task(holds(), name="sites:demo/a")
        await asyncio.sleep(1.5)
        (line,) = lines
        if looks == 1:
            assert line.keys() == {"event", "held_s", "part", "log_level"}
            return
        assert line["task"] == "sites:demo/a"
        assert re.fullmatch(r"test_health\.py:\d+ in holds", line["where"])
        assert f"within the last minute, last at {line['where']}; find" in loop_lag(heartbeat)


async def test_it_beats_no_longer_than_asked() -> None:
    """Nothing is left on the loop."""
    heartbeat = Heartbeat()
    with heartbeat.beating():
        await asyncio.sleep(2.5)
    seen = sum(heartbeat.statistics().counts)
    await asyncio.sleep(10)
    assert seen == sum(heartbeat.statistics().counts) == 2
