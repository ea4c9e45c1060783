"""A replacement for bitcoind: runs a simulated node in its own process."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ctrlkit import clock
from ctrlkit.fakes.bitcoind.flags import FlagError, Flags
from ctrlkit.fakes.bitcoind.node import SimulatedNode
from ctrlkit.fakes.bitcoind.p2p import P2P_PORT, parse_address
from ctrlkit.fakes.bitcoind.rpc import RPC_PORT


def main(arguments: Sequence[str]) -> int:
    """
    Serve until SIGTERM, SIGINT or the RPC method `stop`; returns the exit status.

    Flags   -bind=HOST[:PORT], -rpcbind=HOST[:PORT], -rpcuser, -rpcpassword, -datadir, -conf, as bitcoind has them;
            -printtoconsole and -logtimestamps too, for the log on stdout; and -warmup=SECONDS: how long calls are
            answered with error -28, by default 0.5.
    """
    try:
        node = _node(Flags(arguments))
        asyncio.run(_serve(node))
    except (FlagError, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def _node(flags: Flags) -> SimulatedNode:
    host, p2p_port = parse_address(flags.require("bind"), P2P_PORT)
    rpc_host, rpc_port = parse_address(flags.get("rpcbind", host), int(flags.number("rpcport", RPC_PORT)))
    if rpc_host != host:
        raise FlagError(f"-bind={host} -rpcbind={rpc_host}: a simulated node has one address; let both name it")
    datadir = Path(flags.require("datadir"))
    if not datadir.is_dir():
        raise FlagError(f"-datadir={datadir}: there is no such directory; create it")
    return SimulatedNode(
        host,
        user=flags.require("rpcuser"),
        password=flags.require("rpcpassword"),
        datadir=datadir,
        warmup_s=flags.number("warmup", 0.5),
        rpc_port=rpc_port,
        p2p_port=p2p_port,
        write=_writer(flags),
    )


def _writer(flags: Flags) -> Callable[[str], None]:
    """Return what writes a line of the log, as the flags say."""
    if flags.get("printtoconsole", "1") == "0":
        return lambda _: None
    has_times = flags.get("logtimestamps", "1") != "0"

    def write(line: str) -> None:
        time = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ ") if has_times else ""
        sys.stdout.write(f"{time}{line}\n")
        sys.stdout.flush()

    return write


async def _serve(node: SimulatedNode) -> None:
    for wish in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wish, node.shut_down)
    await node.start()
    await node.wait_stopped()
