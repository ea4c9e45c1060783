"""Where the real bitcoind is looked for, and what is said when it is not where somebody said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ctrlkit.fakes.bitcoind.binaries import BinaryNotFound, cli_of, consensus_flags, find_bitcoind, flags_of_a_pod

SV_HELP = "  -excessiveblocksize=<n>\\n  -maxstackmemoryusageconsensus\\n  -minminingtxfee=<amt>"


def program(path: Path, output: str = "") -> Path:
    """An executable file that prints `output`."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\nprintf '{output}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No bitcoind of this machine is seen."""
    monkeypatch.delenv("BITCOIND", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))


def test_each_place_is_looked_at_before_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Found nowhere; beside Python; on PATH; in $BITCOIND; as said."""
    assert find_bitcoind(None) is None
    (tmp_path / "venv").mkdir()
    beside_python = program(tmp_path / "venv" / "bin" / "bitcoind")
    assert find_bitcoind(None) == beside_python
    on_path = program(tmp_path / "path" / "bitcoind")
    assert find_bitcoind(None) == on_path
    in_environment = program(tmp_path / "environment")
    monkeypatch.setenv("BITCOIND", str(in_environment))
    assert find_bitcoind(None) == in_environment
    said = program(tmp_path / "said")
    assert find_bitcoind(str(said)) == said


def test_a_path_that_was_said_is_not_replaced_by_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing there, a folder and a file that is not executable are errors of their own, although PATH has one."""
    program(tmp_path / "path" / "bitcoind")
    (tmp_path / "text").touch()
    for path, fact in {
        str(tmp_path / "text"): "is not executable; chmod +x makes it so",
        str(tmp_path): "is a folder; name the program in it",
        "text": "is no program on the PATH; name a file with its folder, such as ./bitcoind",
    }.items():
        with pytest.raises(BinaryNotFound) as said:
            find_bitcoind(path)
        assert str(said.value) == f"the path given for bitcoind: {path!r} {fact}"
    monkeypatch.setenv("BITCOIND", "/nosuch")
    with pytest.raises(BinaryNotFound, match=r"\$BITCOIND: '/nosuch' is not there; correct it"):
        find_bitcoind(None)


def test_bitcoin_cli_sits_beside_bitcoind(tmp_path: Path) -> None:
    """Both come from one release, so no other is taken."""
    bitcoind = program(tmp_path / "path" / "bitcoind")
    with pytest.raises(BinaryNotFound, match="bitcoin-cli beside"):
        cli_of(bitcoind)
    cli = program(tmp_path / "path" / "bitcoin-cli")
    assert cli_of(bitcoind) == cli


@pytest.mark.real_time
async def test_only_flags_that_the_node_knows_are_demanded(tmp_path: Path) -> None:
    """A Core node refuses flags that it does not know; a Bitcoin SV node does not start without them."""
    assert await consensus_flags(program(tmp_path / "core", "  -regtest\\n  -bind")) == []
    assert await consensus_flags(program(tmp_path / "sv", "Options:\\n" + SV_HELP)) == [
        "-excessiveblocksize=1000000000",
        "-maxstackmemoryusageconsensus=100000000",
        "-minminingtxfee=0.0",
    ]


@pytest.mark.real_time
async def test_a_node_of_a_pod_calls_nobody_who_is_no_node(tmp_path: Path) -> None:
    """As far as it knows how: one without a wallet, or without a way to talk to routers, lists no such flag."""
    lines = ("  -disablewallet", "  -listenonion", "  -natpmp", "  -natpmpd=<n>")
    assert await flags_of_a_pod(program(tmp_path / "core", "\\n".join(lines))) == [
        *("-disablewallet", "-listenonion=0", "-natpmp=0")
    ]
    assert await flags_of_a_pod(program(tmp_path / "small", "  -regtest")) == []
    sv = await flags_of_a_pod(program(tmp_path / "sv", "  -upnp\\n" + SV_HELP))
    assert (sv[0], len(sv)) == ("-upnp=0", 4)
