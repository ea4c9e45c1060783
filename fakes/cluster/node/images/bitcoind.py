"""
The image of the bitcoin controller's nodes, with real or simulated ones.

A pod of a network has `command: ["bitcoind"]`, its data at /var/lib/bitcoin and its configuration, a file of a Secret,
at /etc/bitcoin/.bitcoin/bitcoin.conf, which is ~/.bitcoin/bitcoin.conf. One of a network made before has neither: its
image writes the configuration from BC_RPC_USER and BC_RPC_PASSWORD. /bitcoin.conf is a link to what is in the home
folder, so that bitcoin-cli may be called without flags, and as articles do. Whatever the pods say, nodes listen on the
pod's address alone, and neither flags nor options reach a program that would read or write other files, start programs
or call others.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import ctrlkit
from ctrlkit.fakes.bitcoind.binaries import cli_of, flags_of_a_pod
from ctrlkit.fakes.cluster.node.images.declarations import Image, Reading
from ctrlkit.fakes.cluster.node.images.programs import Place, Program, listed, shown
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused

RPC_PORT = 18332
P2P_PORT = 18444
IMAGE_NAMES: Final = ("bitcoind", "bitcoin")
"""The last parts of the names of the images that have nodes."""

_DATA, _CONFIGURATION = "/var/lib/bitcoin", "/etc/bitcoin/.bitcoin/bitcoin.conf"
_AT_HOME = ".bitcoin/bitcoin.conf"
_PATHS = {
    "/bitcoin.conf": f"{{folder}}/{_AT_HOME}",
    _CONFIGURATION: "{folder}/mounted.conf",
    _DATA: "{folder}/data",
}
_CONF_VALUE = r"/bitcoin\.conf|/etc/bitcoin/\.bitcoin/bitcoin\.conf"
_NUMBER, _SWITCH, _PORT = "[0-9]{1,6}", "[01]?", "[0-9]{1,5}"
_WORD = r"[0-9A-Za-z][0-9A-Za-z.:@_-]{0,1000}(/[0-9]{1,3})?"
_CHAINS = ("-regtest", "-signet", "-testnet4")
_OWN_NODE = r"127(\.[0-9]{1,3}){3}(:[0-9]{1,5})?"
_DAEMON_FLAGS = {
    "-addnode": _OWN_NODE,
    "-conf": _CONF_VALUE,
    "-datadir": _DATA,
    "-debug": "[a-z0-9]{0,20}",
    "-dnsseed": "0",
    "-listen": "1?",
    "-logips": _SWITCH,
    "-logtimestamps": _SWITCH,
    "-maxconnections": _NUMBER,
    "-port": _PORT,
    "-printtoconsole": _SWITCH,
    "-regtest": "1?",
    "-rpcport": _PORT,
    "-server": "1?",
    "-txindex": _SWITCH,
    "-version": "",
}
_ANY_ADDRESS = r"(0\.0\.0\.0|\[?::\]?)(:[0-9]{1,5})?"
_IGNORED_FLAGS = {
    "-bind": _ANY_ADDRESS,
    "-rpcallowip": r"(0\.0\.0\.0|::)/0",
    "-rpcbind": _ANY_ADDRESS,
}
_CREDENTIAL = r"[!-~]{1,100}"
_CLI_FLAGS = {
    "-conf": _CONF_VALUE,
    "-datadir": _DATA,
    "-getinfo": "",
    "-regtest": "1?",
    "-rpcclienttimeout": _NUMBER,
    "-rpcpassword": _CREDENTIAL,
    "-rpcport": _PORT,
    "-rpcuser": _CREDENTIAL,
    "-rpcwait": "1?",
    "-rpcwaittimeout": _NUMBER,
    "-version": "",
}
_CLI_METHODS = (
    *("getaddednodeinfo", "getbestblockhash", "getblock", "getblockchaininfo", "getblockcount", "getblockhash"),
    *("getblockheader", "getchaintips", "getconnectioncount", "getdifficulty", "getinfo", "getmempoolinfo"),
    *("getmininginfo", "getnettotals", "getnetworkinfo", "getpeerinfo", "getrawmempool", "uptime", "help", "ping"),
    *("generate", "generatetoaddress", "stop"),
)
_CLI_COMMANDS = dict.fromkeys(_CLI_METHODS, "[0-9A-Za-z.:]{1,100}") | {"addnode": f"{_OWN_NODE}|add|remove|onetry"}

_SWITCHES: Final = (
    *("acceptnonstdtxn", "blocksonly", "coinstatsindex", "datacarrier", "discover", "dns", "dnsseed", "fixedseeds"),
    *("listen", "listenonion", "logips", "logsourcelocations", "logthreadnames", "logtimemicros", "logtimestamps"),
    *("mempoolfullrbf", "natpmp", "peerblockfilters", "peerbloomfilters", "permitbaremultisig", "persistmempool"),
    *("printtoconsole", "rest", "server", "txindex", "txospenderindex", "txreconciliation", "upnp", "v2transport"),
)
_NUMBERS: Final = (
    *("bantime", "blockmaxweight", "blockmintxfee", "blockreconstructionextratxn", "checkblocks", "checklevel"),
    *("datacarriersize", "dbbatchsize", "dbcache", "dustrelayfee", "incrementalrelayfee", "limitancestorcount"),
    *("limitancestorsize", "limitclustercount", "limitclustersize", "limitdescendantcount", "limitdescendantsize"),
    *("maxconnections", "maxmempool", "maxorphantx", "maxreceivebuffer", "maxsendbuffer", "maxsigcachesize"),
    *("maxuploadtarget", "mempoolexpiry", "minrelaytxfee", "par", "peertimeout", "prune", "rpcdoccheck"),
    *("rpcservertimeout", "rpcthreads", "rpcworkqueue", "timeout"),
)
_WORDS: Final = (
    *("assumevalid", "blockfilterindex", "debug", "debugexclude", "loglevel", "minimumchainwork", "signetchallenge"),
    *("uacomment", "whitelist"),
)
_TOPICS: Final = ("hashblock", "hashtx", "rawblock", "rawtx", "sequence")
_OPTIONS: Final = {
    **dict.fromkeys(_SWITCHES, _SWITCH),
    **dict.fromkeys(_NUMBERS, r"-?[0-9]{1,12}(\.[0-9]{1,10})?[kKmMgGtT]?"),
    **dict.fromkeys(_WORDS, rf"{_WORD}|1?"),
    **dict.fromkeys((f"zmqpub{topic}" for topic in _TOPICS), r"tcp://(0\.0\.0\.0|\[::\]|\*):[0-9]{1,5}"),
    "datadir": _DATA,
    "rpcport": _PORT,
    "wallet": "[0-9A-Za-z_-]{0,50}",
    "rpcauth": r"[!-~]{1,100}:[0-9A-Za-z]{1,64}\$[0-9a-f]{64}",
}
_OWN_CONF: Final = f"""rpcuser={{BC_RPC_USER}}
rpcpassword={{BC_RPC_PASSWORD}}
regtest=1
rpcport={RPC_PORT}
[regtest]
rpcport={RPC_PORT}
"""
_SECTION: Final = re.compile(r"\[(main|test|testnet4|signet|regtest)\]")


def bitcoind_image(
    *,
    daemon: tuple[str, ...],
    cli: tuple[str, ...],
    own: Sequence[str] = (),
    cli_own: Sequence[str] = (),
    chains: Sequence[str] = ("-regtest",),
    environment: Mapping[str, str] | None = None,
    forks: bool = False,
) -> Image:
    """
    Return the image of nodes on the pod's address.

    Credentials never stand on a command line: bitcoin.conf has them, which only its owner can read. A node has no
    wallet, because the methods of a wallet read and write arbitrary files for anyone who has the password.

    Shape   `daemon` and `cli` start the programs, `own` and `cli_own` are flags that they get in any case. `chains` are
            the flags of the chains that pods may choose. `forks` is as in Program.
    """
    node = ("-bind={address}", "-rpcbind={address}", "-rpcallowip=127.0.0.0/8", "-listen=1", "-dnsseed=0")
    at_home = {"-conf": (f"-conf={{folder}}/{_AT_HOME}",)}
    chosen = dict.fromkeys(chains, "1?")
    read = partial(checked_conf, chains=chains)
    run_node = Program(
        argv=daemon,
        own=(*node, *own),
        where_absent=at_home | {"-datadir": ("-regtest", "-datadir={folder}/data")},
        flags=_DAEMON_FLAGS | chosen,
        ignored=_IGNORED_FLAGS,
        paths=_PATHS,
        forks=forks,
    )
    ask_node = Program(
        argv=cli,
        own=("-rpcconnect={address}", *cli_own),
        where_absent=at_home,
        flags=_CLI_FLAGS | chosen,
        paths=_PATHS,
        commands=_CLI_COMMANDS,
        forks=forks,
    )
    return Image(
        programs={"/usr/local/bin/bitcoind": run_node, "/usr/local/bin/bitcoin-cli": ask_node},
        entry="/usr/local/bin/bitcoind",
        settings={"BC_RPC_USER": "user", "BC_RPC_PASSWORD": "password", "HOME": "/root"},
        files={_AT_HOME: _OWN_CONF},
        folders=("data", ".bitcoin"),
        mounts={"/root/.bitcoin": "data", _DATA: "data"},
        readings={_CONFIGURATION: Reading("mounted.conf", read), f"{{HOME}}/{_AT_HOME}": Reading(_AT_HOME, read)},
        ports=(RPC_PORT, P2P_PORT),
        environment=environment or {},
    )


async def real_bitcoind(bitcoind: Path) -> Image:
    """
    Return the image for a bitcoind of this machine, whose nodes are on regtest whatever their pods say.

    It may be one of Bitcoin Core or of any fork: flags that not all of them know are those that its `-help` lists.

    Errors  BinaryNotFound without a bitcoin-cli beside it.
    """
    cli = cli_of(bitcoind)
    flags = ("-regtest", *await flags_of_a_pod(bitcoind))
    return bitcoind_image(daemon=(str(bitcoind),), cli=(str(cli),), own=flags)


def simulated_bitcoind(*, warmup_s: float = 0.5) -> Image:
    """
    Return the same image with simulated nodes, each a Python process (ctrlkit.fakes.bitcoind), on any chain.

    They are of the release of Bitcoin Core that the tag of a pod's image names, if it names one, and refuse calls for
    `warmup_s` after a start.
    """
    package = "ctrlkit.fakes.bitcoind"
    home = Path(ctrlkit.__file__).parent.parent
    return bitcoind_image(
        daemon=(sys.executable, "-m", package),
        cli=(sys.executable, "-S", "-m", package, "cli"),  # it needs no packages, and starts in half of the time
        own=("-disablewallet", "-release={tag}", f"-warmup={warmup_s}"),
        cli_own=("-release={tag}",),
        chains=_CHAINS,
        environment={"PYTHONPATH": str(home)},
        forks=True,
    )


def checked_conf(text: str, place: Place, *, chains: Sequence[str] = ("-regtest",)) -> str:
    r"""
    Return the bitcoin.conf of a pod as a node of this machine, on one of these chains, may have it.

    >>> checked_conf("server=1\nzmqpubrawtx=tcp://0.0.0.0:28332\n", Place("127.16.0.1", Path("/tmp"), {}))
    'server=1\nzmqpubrawtx=tcp://127.16.0.1:28332\n'

    Errors  ContainerRefused for an option, or a value, that is not among those that pods may set.
    """
    options = _OPTIONS | dict.fromkeys((flag.removeprefix("-") for flag in chains), "1")
    return "".join(f"{line}\n" for line in _checked_lines(text, place, options))


def _checked_lines(text: str, place: Place, options: Mapping[str, str]) -> Iterator[str]:
    for line in map(str.strip, text.splitlines()):
        name, _, value = (part.strip() for part in line.partition("="))
        if not line or line.startswith("#"):
            continue
        if _SECTION.fullmatch(line):
            yield line
            continue
        if name not in options:
            raise _refused(f"{shown(name)} is no option that a pod may set here; those are: {listed(options)}")
        if not re.fullmatch(options[name], value):
            raise _refused(f"{name} may not have this value here; one has to match {options[name]!r}")
        here = place.put_into(_PATHS[value]) if value in _PATHS else value
        yield f"{name}={re.sub('^tcp://.*:', f'tcp://{place.address}:', here)}"


def _refused(fact: str) -> ContainerRefused:
    return ContainerRefused("CreateContainerConfigError", f"bitcoin.conf: {fact}")
