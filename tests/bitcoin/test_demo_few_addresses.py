"""The demo on a machine whose loopback interface has few addresses, as that of macOS."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ctrlkit.bitcoin.demo.command import DemoOptions, Output, demo
from ctrlkit.errors import ConfigError
from ctrlkit.fakes.cluster.node import addresses

pytestmark = pytest.mark.real_time

_OPTIONS = DemoOptions(
    nodes=3,
    most=4,
    blocks=3,
    bitcoind="simulated",
    keep=False,
    empty=False,
    output=Output.JSON,
    kubeconfig=None,
    context=None,
    with_kubelet=False,
    port=0,
    verbose=False,
)


def _set_up(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have 127.0.0.1 to 127.0.0.N, and no other."""
    there = {f"127.0.0.{number}" for number in range(1, count + 1)}
    monkeypatch.setattr(addresses, "has_address", there.__contains__)


@pytest.mark.parametrize("options", [{}, {"most": None}, {"empty": True, "most": 12}], ids=["4", "any", "empty"])
async def test_with_one_address_it_says_what_to_type_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    """Three more are needed: the demo scales three nodes up to four at least, as somebody with kubectl may."""
    _set_up(monkeypatch, 1)
    with pytest.raises(ConfigError, match="lacks 3; set them up"):
        await demo(replace(_OPTIONS, **options))


@pytest.mark.long
async def test_with_as_many_addresses_as_it_asks_for_all_of_it_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also the replacement of a pod, which gets another address than before; it scales to as many as there are."""
    _set_up(monkeypatch, 4)
    status = await demo(replace(_OPTIONS, most=None))
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [step for step in result["steps"] if not step["ok"]] == []
    assert "scale the network to 4" in [step["name"] for step in result["steps"]]
    assert status == 0
