"""The commands in place of bitcoind and bitcoin-cli: what they take, print and return."""

from __future__ import annotations

import asyncio
import stat
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from ctrlkit.fakes.bitcoind.chain import GENESIS
from ctrlkit.fakes.bitcoind.cli import main as cli
from ctrlkit.fakes.bitcoind.daemon import main as daemon
from ctrlkit.fakes.bitcoind.flags import FlagError, Flags
from ctrlkit.fakes.bitcoind.node import CannotStart, SimulatedNode
from ctrlkit.fakes.bitcoind.release import Release
from tests.support.loopback import own_address

A, B = own_address(1), own_address(2)


def call(host: str, *command: str, password: str = "p") -> int:
    return cli([f"-rpcconnect={host}", "-rpcport=18332", "-rpcuser=u", f"-rpcpassword={password}", *command])


async def call_in_thread(host: str, *command: str, password: str = "p") -> int:
    """The command blocks, as a process of its own may; the node it talks to runs on this loop."""
    return await asyncio.to_thread(call, host, *command, password=password)


@pytest.mark.real_time
async def test_the_command_in_place_of_bitcoin_cli_starts_without_the_libraries_of_a_node() -> None:
    """A readiness probe runs it every few seconds."""
    code = (
        "import sys, ctrlkit.fakes.bitcoind.__main__ as m; m.main(['cli']); "
        "print({'aiohttp', 'asyncio'} & set(sys.modules))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE, stderr=PIPE)
    output, _ = await child.communicate()
    assert output.decode() == "set()\n"


NEVER_ADDED = "Error: Node could not be removed. It has not been added previously."


@pytest.mark.parametrize(
    ("command", "status", "output", "error"),
    [
        (["getblockcount"], 0, "0\n", ""),
        (["getblockhash", "0"], 0, GENESIS, ""),
        (["-getinfo"], 0, "Chain: regtest\nBlocks: 0\n", ""),
        (["addnode", B, "add"], 0, "", ""),
        (["getaddednodeinfo"], 0, "[]\n", ""),
        (["addnode", B, "remove"], 24, "", f"error code: -24\nerror message:\n{NEVER_ADDED}\n"),
        (["nosuch"], 89, "", "error code: -32601\nerror message:\nMethod not found\n"),
        (["generate", "many"], 1, "", "error: parameter 'many' of generate is no number; correct it\n"),
        ([], 1, "", "error: no command is given; name one, such as getnetworkinfo\n"),
    ],
)
@pytest.mark.real_time
async def test_a_call_from_the_command_line(
    command: list[str], status: int, output: str, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result on stdout, as bitcoin-cli prints it; or the error on stderr and its code as exit status."""
    async with SimulatedNode(A, user="u", password="p"):
        assert await call_in_thread(A, *command) == status
    printed = capsys.readouterr()
    assert printed.err == error
    assert printed.out.startswith(output)
    assert bool(printed.out) == bool(output)


@pytest.mark.real_time
async def test_a_call_with_wrong_credentials_fails_without_repeating_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1 and one line."""
    async with SimulatedNode(A, user="u", password="p"):
        assert await call_in_thread(A, "uptime", password="another") == 1
    assert capsys.readouterr() == ("", "error: Authorization failed: Incorrect rpcuser or rpcpassword\n")


@pytest.mark.real_time
async def test_a_call_to_a_warming_node_fails_with_28(capsys: pytest.CaptureFixture[str]) -> None:
    """What a readiness probe sees at first."""
    async with SimulatedNode(A, user="u", password="p", warmup_s=60):
        assert await call_in_thread(A, "getnetworkinfo") == 28
    assert capsys.readouterr().err == "error code: -28\nerror message:\nVerifying blocks…\n"


def test_a_call_to_nobody_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1 and one line that says where nobody was."""
    assert call("127.77.3.9", "uptime") == 1
    assert capsys.readouterr().err == (
        "error: could not reach the server at 127.77.3.9:18332 (Connection refused); see whether it runs\n"
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "-bind is not given"),
        (["-bind=127.77.3.9"], "-datadir is not given"),
        (["-bind=127.77.3.9", "-datadir=/nosuch"], "-datadir=/nosuch: there is no such directory"),
        (["-bind=127.77.3.9", "-chain=moon"], "-chain=moon: there is no such chain; those are: regtest, signet, "),
        (["-bind=127.77.3.9", "-rpcbind=127.77.3.8"], "-bind=127.77.3.9 -rpcbind=127.77.3.8: a simulated node has one"),
        (["-bind=127.77.3.9", "-rpcport=x"], "-rpcport=x: this is no number"),
        (["-conf=/nosuch"], "-conf=/nosuch: there is no such file"),
        (["-bind=203.0.113.1", "-datadir=/tmp", "-rpcuser=u", "-rpcpassword=p"], "203.0.113.1"),
    ],
)
def test_a_node_that_cannot_start_says_why(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1 and one line on stderr."""
    assert daemon(arguments) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("Error: ")
    assert error in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_flags_may_come_from_a_file_and_the_command_line_wins(tmp_path: Path) -> None:
    """`-conf` is looked up in the data folder, where `bitcoin.conf` is read without being named."""
    (tmp_path / "bitcoin.conf").write_text("# comment\n\nrpcuser = from-file\nrpcpassword=p=q\nserver\nnolisten=1\n")
    (tmp_path / "other.conf").write_text("rpcuser=from-other\n")
    flags = Flags([f"-datadir={tmp_path}", "-rpcport=1"])
    assert [flags.get(name, "") for name in ("rpcuser", "rpcpassword", "server", "rpcport", "listen")] == [
        *("from-file", "p=q", "1", "1", "0")
    ]
    assert Flags([f"-datadir={tmp_path}", "-conf=other.conf"]).require("rpcuser") == "from-other"
    assert Flags([f"-datadir={tmp_path}", "-rpcuser=mine"]).require("rpcuser") == "mine"
    with pytest.raises(FlagError, match="no such file"):
        Flags([f"-datadir={tmp_path}", "-conf=missing.conf"])


def test_options_of_a_chain_count_in_its_section(tmp_path: Path) -> None:
    """Ports and peers before all sections are main's; the section comes first, and of one option its first line."""
    conf = tmp_path / "bitcoin.conf"
    conf.write_text(
        "rpcport=1\nrpcauth=a\ndbcache=4\nregtest.addnode=c\n[regtest]\nrpcport=2\nrpcport=3\nrpcauth=b\n[signet]\nport=5\n"
    )

    def read(*chain: str) -> tuple[str, list[str], list[str], str]:
        flags = Flags([*chain, f"-conf={conf}"])
        return flags.get("rpcport", ""), flags.all("rpcauth"), flags.all("addnode"), flags.get("dbcache", "")

    assert read("-regtest") == read("-chain=regtest") == ("2", ["b", "a"], ["c"], "4")
    assert read("-signet") == ("", ["a"], [], "4")
    assert read() == ("1", ["a"], [], "4")


async def start_daemon(*arguments: str) -> asyncio.subprocess.Process:
    """A node in its own process."""
    command = (sys.executable, "-m", "ctrlkit.fakes.bitcoind", *arguments)
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)


@pytest.mark.real_time
async def test_the_cookie_of_a_node_lets_its_neighbours_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is in the folder of the chain, for its owner alone, and gone after a clean stop; -rpcwait waits for it."""
    cookie = tmp_path / "regtest" / ".cookie"
    where = (f"-datadir={tmp_path}", "-regtest", f"-rpcconnect={B}", "-rpcport=18332")
    assert await asyncio.to_thread(cli, [*where, "getblockcount"]) == 1
    assert "there is no .cookie of a node" in capsys.readouterr().err
    node = await start_daemon(f"-datadir={tmp_path}", "-regtest", f"-bind={B}", "-rpcport=18332", "-warmup=0.5")
    assert await asyncio.to_thread(cli, [*where, "-rpcwait", "-rpcwaittimeout=20", "getblockcount"]) == 0
    assert capsys.readouterr().out == "0\n"
    assert stat.S_IMODE(cookie.stat().st_mode) == 0o600
    another = await start_daemon(f"-datadir={tmp_path}", "-regtest", f"-bind={A}", "-rpcport=18332")
    assert b"is another node's that runs" in (await another.communicate())[1]
    assert another.returncode == 1
    assert await asyncio.to_thread(cli, [*where, "stop"]) == 0
    await asyncio.wait_for(node.communicate(), 20)
    assert (node.returncode, cookie.exists()) == (0, False)


async def test_a_node_does_not_go_back_to_a_release_that_cannot_read_its_chain(tmp_path: Path) -> None:
    """27.2 does not start where 30.2 has written; 28.0 does."""
    async with SimulatedNode(A, user="u", password="p", datadir=tmp_path, release=Release.of("30.2")) as node:
        assert node.is_running
    old = SimulatedNode(A, user="u", password="p", datadir=tmp_path, release=Release.of("27.2"))
    with pytest.raises(CannotStart, match=r"version 30\.2\.0 has written the blocks, which 27\.2\.0 cannot read"):
        await old.start()
    async with SimulatedNode(A, user="u", password="p", datadir=tmp_path, release=Release.of("28.0")) as node:
        assert node.is_running


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-version"], "version v30.2.0"),
        (["-version", "-release=29.1"], "version v29.1.0"),
        (["-version", "-release=v1.0"], "version v0.16.0"),
        (["-version", "-release="], "version v30.2.0"),
    ],
)
def test_a_node_says_of_which_release_it_is(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the tag of its image says; the client with it."""
    assert daemon(arguments) == cli(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("Bitcoin Core ") and said in line for line in lines)
