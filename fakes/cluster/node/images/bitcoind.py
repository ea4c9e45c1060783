"""The image of the bitcoin controller, with real or simulated nodes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import ctrlkit
from ctrlkit.fakes.bitcoind.binaries import cli_of, consensus_flags
from ctrlkit.fakes.cluster.node.images.declarations import Image
from ctrlkit.fakes.cluster.node.images.programs import Program

RPC_PORT = 18332
P2P_PORT = 18444

_CONFIGURATION = r"/bitcoin\.conf"
_PATHS = {"/bitcoin.conf": "{folder}/bitcoin.conf"}
_NUMBER, _SWITCH = "[0-9]{1,6}", "[01]?"
_DAEMON_FLAGS = {
    "-conf": _CONFIGURATION,
    "-debug": "[a-z0-9]{0,20}",
    "-dnsseed": "0",
    "-listen": "1?",
    "-logips": _SWITCH,
    "-logtimestamps": _SWITCH,
    "-maxconnections": _NUMBER,
    "-printtoconsole": _SWITCH,
    "-regtest": "1?",
    "-server": "1?",
    "-txindex": _SWITCH,
}
_CREDENTIAL = r"[!-~]{1,100}"
_CLI_FLAGS = {
    "-conf": _CONFIGURATION,
    "-regtest": "1?",
    "-rpcclienttimeout": _NUMBER,
    "-rpcpassword": _CREDENTIAL,
    "-rpcuser": _CREDENTIAL,
    "-rpcwait": "1?",
}
_CLI_METHODS = (
    *("getaddednodeinfo", "getbestblockhash", "getblock", "getblockchaininfo", "getblockcount", "getblockhash"),
    *("getblockheader", "getchaintips", "getconnectioncount", "getdifficulty", "getinfo", "getmempoolinfo"),
    *("getmininginfo", "getnettotals", "getnetworkinfo", "getpeerinfo", "getrawmempool", "uptime", "help", "ping"),
    *("generate", "generatetoaddress", "stop"),
)
_OWN_NODE = r"127(\.[0-9]{1,3}){3}(:[0-9]{1,5})?"
_CLI_COMMANDS = dict.fromkeys(_CLI_METHODS, "[0-9A-Za-z.:]{1,100}") | {"addnode": f"{_OWN_NODE}|add|remove|onetry"}


def bitcoind_image(
    *,
    daemon: tuple[str, ...],
    cli: tuple[str, ...],
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Image:
    """
    Return the image `bitcoind` of the bitcoin controller: a regtest node on the pod's address.

    BC_RPC_USER and BC_RPC_PASSWORD, by default `user` and `password` as in the real image, go into a bitcoin.conf that
    only its owner can read, never on a command line. The node has no wallet, because the methods of a wallet read and
    write arbitrary files for anyone who has the password.
    """
    node = (
        "-regtest",
        "-conf={folder}/bitcoin.conf",
        "-datadir={folder}/data",
        f"-bind={{address}}:{P2P_PORT}",
        f"-rpcbind={{address}}:{RPC_PORT}",
        "-rpcallowip=127.0.0.0/8",
        "-listen=1",
        "-dnsseed=0",
        "-disablewallet",
        *flags,
    )
    call = ("-rpcconnect={address}", f"-rpcport={RPC_PORT}", "-conf={folder}/bitcoin.conf")
    run_node = Program(argv=daemon, own=node, flags=_DAEMON_FLAGS, paths=_PATHS)
    ask_node = Program(argv=cli, own=call, flags=_CLI_FLAGS, paths=_PATHS, commands=_CLI_COMMANDS)
    return Image(
        programs={"/usr/local/bin/bitcoind": run_node, "/usr/local/bin/bitcoin-cli": ask_node},
        entry="/usr/local/bin/bitcoind",
        settings={"BC_RPC_USER": "user", "BC_RPC_PASSWORD": "password"},
        files={"bitcoin.conf": "rpcuser={BC_RPC_USER}\nrpcpassword={BC_RPC_PASSWORD}\n"},
        folders=("data",),
        mounts={"/root/.bitcoin": "data"},
        ports=(RPC_PORT, P2P_PORT),
        environment=environment or {},
    )


async def real_bitcoind(bitcoind: Path) -> Image:
    """Return the image for a bitcoind of this machine. Errors: BinaryNotFound without a bitcoin-cli beside it."""
    cli = cli_of(bitcoind)
    return bitcoind_image(daemon=(str(bitcoind),), cli=(str(cli),), flags=await consensus_flags(bitcoind))


def simulated_bitcoind() -> Image:
    """Return the same image with simulated nodes, each a Python process (ctrlkit.fakes.bitcoind)."""
    program = (sys.executable, "-m", "ctrlkit.fakes.bitcoind")
    home = Path(ctrlkit.__file__).parent.parent
    return bitcoind_image(daemon=program, cli=(*program, "cli"), environment={"PYTHONPATH": str(home)})
