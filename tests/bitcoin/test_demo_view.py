"""What a person, and what a program, sees of a walk-through."""

from __future__ import annotations

import asyncio
import io
import json

from rich.console import Console

from ctrlkit.bitcoin.demo.checks import NodeFacts
from ctrlkit.bitcoin.demo.live import LiveView
from ctrlkit.bitcoin.demo.steps import Report, StepReport
from ctrlkit.bitcoin.demo.view import PlainView

READY = StepReport(name="nodes become ready", ok=True, seconds=12.1, detail="3 of 3 ready")
FAILED = StepReport(name="mine 101 blocks", ok=False, seconds=60.0, detail="not within 60 s; last seen: nothing")
NODES = (
    NodeFacts(name="net-sts-0", ready=True, address="127.16.0.1", peers=2, blocks=101),
    NodeFacts(name="net-sts-1", ready=False, address=""),
)


def a_report(*steps: StepReport, planned: int = 2) -> Report:
    return Report(bitcoind="real", nodes=3, planned=planned, steps=list(steps))


async def test_plain_lines_tell_steps_and_the_nodes_that_changed() -> None:
    """One line for each step, with the time; a node is shown again only when it is not as it was."""
    stream = io.StringIO()
    async with PlainView(stream) as view:
        view.begin("real nodes: /usr/bin/bitcoind", ["nodes become ready", "mine 101 blocks"])
        view.step_began("nodes become ready")
        await asyncio.sleep(12.1)
        view.nodes_seen(NODES)
        view.step_ended(READY)
        view.nodes_seen(NODES)
        view.step_waits("mine 101 blocks", "nothing")
        view.step_ended(FAILED)
        view.end(a_report(READY, FAILED))

    assert stream.getvalue().splitlines() == [
        "real nodes: /usr/bin/bitcoind",
        "[ 12.1s] ok   nodes become ready (12.1 s): 3 of 3 ready",
        "              net-sts-0  ready      127.16.0.1       2 peers  101 blocks",
        "              net-sts-1  not ready  -                - peers    - blocks",
        "[ 12.1s] wait mine 101 blocks: nothing",
        "[ 12.1s] FAIL mine 101 blocks (60.0 s): not within 60 s; last seen: nothing",
        "1 of 2 steps held; stopped at: mine 101 blocks",
    ]


async def test_the_live_picture_has_steps_seconds_and_nodes() -> None:
    """Ticks for what held, a mark and the seconds for what is being played, a table of the nodes."""
    console = Console(file=io.StringIO(), width=110, force_terminal=False)
    async with LiveView(console) as view:
        view.begin("real nodes: /usr/bin/bitcoind", ["nodes become ready", "mine 101 blocks", "delete pod 0"])
        view.step_began("nodes become ready")
        view.step_waits("nodes become ready", "2 of 3 ready")
        view.step_ended(READY)
        view.step_began("mine 101 blocks")
        view.step_waits("mine 101 blocks", "no blocks")
        await asyncio.sleep(1.5)
        view.nodes_seen(NODES)
        picture = Console(file=io.StringIO(), width=110)
        picture.print(view.picture())

    assert isinstance(picture.file, io.StringIO)
    lines = [" ".join(line.split()) for line in picture.file.getvalue().splitlines()]
    assert lines[:4] == [
        "real nodes: /usr/bin/bitcoind",
        "✓ nodes become ready 12.1 s 3 of 3 ready",
        "▸ mine 101 blocks 1.5 s no blocks",
        "· delete pod 0",
    ]
    assert lines[5:8] == ["node ready address peers blocks", "net-sts-0 ✓ 127.16.0.1 2 101", "net-sts-1 … - - -"]


async def test_the_last_live_picture_stays_with_the_reason_of_a_failure() -> None:
    """What remains on the terminal tells the result and all of the reason."""
    console = Console(file=io.StringIO(), width=60, force_terminal=False)
    async with LiveView(console) as view:
        view.begin("simulated nodes", ["mine 101 blocks"])
        view.step_began("mine 101 blocks")
        view.step_ended(FAILED)
        view.end(a_report(FAILED, planned=1))
        view.hint(["try this"])

    assert isinstance(console.file, io.StringIO)
    text = " ".join(console.file.getvalue().split())
    assert "✗ mine 101 blocks 60.0 s not within 60 s;" in text
    assert "0 of 1 steps held; stopped at: mine 101 blocks" in text
    assert "try this" in text


def test_the_json_object_has_the_promised_fields() -> None:
    """For programs: one line, and `ok` only when every step was played and held."""
    text = a_report(READY, FAILED).to_json()

    assert "\n" not in text
    assert json.loads(text) == {
        "ok": False,
        "bitcoind": "real",
        "nodes": 3,
        "steps": [
            {"name": "nodes become ready", "ok": True, "seconds": 12.1, "detail": "3 of 3 ready"},
            {"name": "mine 101 blocks", "ok": False, "seconds": 60.0, "detail": "not within 60 s; last seen: nothing"},
        ],
    }
    assert not a_report(READY).ok
    assert a_report(READY, READY).ok
