"""A replacement for bitcoind: runs a simulated node in its own process."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ctrlkit import clock
from ctrlkit.fakes.bitcoind.flags import FlagError, Flags
from ctrlkit.fakes.bitcoind.node import CannotStart, SimulatedNode
from ctrlkit.fakes.bitcoind.p2p import parse_address
from ctrlkit.fakes.bitcoind.release import Release


def main(arguments: Sequence[str]) -> int:
    """
    Serve until SIGTERM, SIGINT or the RPC method `stop`; returns the exit status.

    Flags   -bind=HOST[:PORT], -port, -rpcbind=HOST[:PORT], -rpcport, -rpcauth (several), -rpcuser, -rpcpassword,
            -datadir, -conf, -regtest, -signet, -testnet4, -chain, -addnode (several), -disablewallet and -version as
            bitcoind has them; -printtoconsole and -logtimestamps too, for the log on stdout. Of its own: -release says
            of which release of Bitcoin Core the node is, as a version or the tag of an image; -warmup=SECONDS how long
            calls are answered with error -28, by default 0.5.
    """
    try:
        flags = Flags(arguments)
        if flags.is_set("version"):
            sys.stdout.write(version_text(flags, "daemon"))
            return 0
        node = _node(flags)
        asyncio.run(_serve(node))
    except (FlagError, CannotStart, OSError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def version_text(flags: Flags, program: str) -> str:
    """Return what -version says."""
    return f"Bitcoin Core {program} version v{Release.of_tag(flags.get('release', '')).text}, simulated by ctrlkit\n"


def _node(flags: Flags) -> SimulatedNode:
    p2p_port = int(flags.number("port", flags.chain.p2p_port))
    rpc_port = int(flags.number("rpcport", flags.chain.rpc_port))
    host, p2p_port = parse_address(flags.require("bind"), p2p_port)
    rpc_host, rpc_port = parse_address(flags.get("rpcbind", host), rpc_port)
    if rpc_host != host:
        raise FlagError(f"-bind={host} -rpcbind={rpc_host}: a simulated node has one address; let both name it")
    datadir = Path(flags.require("datadir"))
    if not datadir.is_dir():
        raise FlagError(f"-datadir={datadir}: there is no such directory; create it")
    return SimulatedNode(
        host,
        user=flags.get("rpcuser", ""),
        password=flags.get("rpcpassword", ""),
        auth=flags.all("rpcauth"),
        added=flags.all("addnode"),
        datadir=datadir,
        warmup_s=flags.number("warmup", 0.5),
        rpc_port=rpc_port,
        p2p_port=p2p_port,
        chain=flags.chain,
        release=Release.of_tag(flags.get("release", "")),
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
