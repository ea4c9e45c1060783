"""
bitcoin.conf of a group of nodes, and the arguments of bitcoind. Pure.

Bitcoin Core, its forks of 2018 and Bitcoin SV read both alike: options that Core takes for one chain alone (ports,
addresses, peers) are arguments, as older nodes know no sections; all else stands in the file. So does what bitcoin-cli
has to know, since it finds the file by itself, as ~/.bitcoin/bitcoin.conf: the chain, where the cookie is, and the port
for RPC. Neither shows credentials: the file has rpcauth, a salted hash.

No value of a spec begins a line, an option or a comment of its own: what could is refused before anything is written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Final

from ctrlkit.bitcoin.network import CHAINS, Chain, Configuration, NodeOptions, Spec
from ctrlkit.bitcoin.rules import ELSEWHERE, LINE, OWN_OPTION, PEER_ADDRESS

DATA_DIR: Final = "/var/lib/bitcoin"
HOME: Final = "/etc/bitcoin"
"""The home folder of a node's user: not one that an image has, which may be closed to others."""

CONF_FILE: Final = f"{HOME}/.bitcoin/bitcoin.conf"

_OF_ONE_CHAIN: Final = re.compile("(no)?wallet=")
"""Lines of `extra` that Core reads for another chain than main in that chain's section alone."""

_USER: Final = re.compile('[!-"%-9;-~]+')
_AUTH: Final = re.compile(f"{_USER.pattern}:[0-9a-zA-Z]+\\$[0-9a-f]+")
_SCRIPT: Final = re.compile("([0-9a-f]{2})+")
_QUANTITY_IN_SPEC: Final = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|[MGTPE]|[KMGTPE]i)?")
_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?([0-9]+\.?[0-9]*|\.[0-9]+))([eE](?P<exponent>[+-]?[0-9]{1,3})|(?P<unit>[KMGTPE]i|[numkMGTPE])?)"
)
_QUANTITY_MAX: Final = 1000
"""Characters of a quantity that are read."""

_UNITS: Final = (
    {unit: Fraction(1, 1000**power) for power, unit in enumerate(("", "m", "u", "n"))}
    | {unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)}
    | {f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)}
)

DBCACHE_MIB: Final = 450
"""The size of the coins' cache where nobody says otherwise, and memory is not limited."""

DBCACHE_SHARE: Final = 4
"""Where memory is limited, the cache gets a part of the limit: one of so many, as the pool of transactions is large."""

DBCACHE_MIN_MIB: Final = 4
DBCACHE_MAX_MIB: Final = 16384
"""The least that Core takes, and the most that it takes before version 29.0."""


def bitcoin_conf(spec: Spec, options: NodeOptions, auth: Sequence[str]) -> str:
    r"""
    Return bitcoin.conf of nodes with these options; `auth` are rpcauth lines, "USER:SALT$HMAC".

    >>> print(bitcoin_conf(Spec(nodes=1), NodeOptions(), ["bc:5a17$c0de"]), end="")
    server=1
    listen=1
    printtoconsole=1
    regtest=1
    datadir=/var/lib/bitcoin
    rpcport=18332
    rpcauth=bc:5a17$c0de
    dbcache=450
    dnsseed=0
    [regtest]
    rpcport=18332

    Errors  ValueError for a spec of which `refused_value` tells, and for an auth line of another form.
    """
    refused = refused_value(spec, options)
    if refused:
        raise ValueError(f"write bitcoin.conf: {refused}")
    if not all(map(is_auth_line, auth)):
        raise ValueError("write bitcoin.conf: an rpcauth line is not of the form USER:SALT$HMAC; make it anew")
    return "".join(f"{line}\n" for line in _lines(spec, options, auth))


def arguments(spec: Spec) -> tuple[str, ...]:
    """
    Return the arguments of bitcoind, the same for all groups of a network.

    RPC is bound to `::` first, which takes IPv4 as well; `0.0.0.0` is for machines without IPv6. The other way round a
    pod with IPv6 alone could not be called.

    >>> arguments(Spec(nodes=1))[2:6]
    ('-regtest', '-port=18444', '-rpcport=18332', '-rpcbind=::')
    """
    flag, (rpc, p2p, _) = CHAINS[spec.chain].flag, ports_of(spec)
    return (
        *(f"-datadir={DATA_DIR}", f"-conf={CONF_FILE}"),
        *((flag,) if flag else ()),
        *(f"-port={p2p}", f"-rpcport={rpc}"),
        *("-rpcbind=::", "-rpcbind=0.0.0.0", "-rpcallowip=::/0", "-rpcallowip=0.0.0.0/0"),
        *(f"-addnode={peer}" for peer in spec.peers),
    )


def ports_of(spec: Spec) -> tuple[int, int, int | None]:
    """
    Return the ports for RPC, P2P and ZMQ; None for the last where it is off.

    >>> ports_of(Spec(nodes=1))
    (18332, 18444, None)
    """
    facts = CHAINS[spec.chain]
    return spec.ports.rpc or facts.rpc_port, spec.ports.p2p or facts.p2p_port, spec.ports.zmq


def dbcache_mib(options: NodeOptions) -> int:
    """
    Return the size of the coins' cache in MiB: as the spec says, or a quarter of the memory limit, or 450.

    >>> from ctrlkit.bitcoin.network import Resources
    >>> dbcache_mib(NodeOptions(resources=Resources(limits={"memory": "2Gi"}))), dbcache_mib(NodeOptions())
    (512, 450)
    """
    said = options.configuration.dbcache_mib if options.configuration is not None else None
    limit = options.resources.limits.get("memory") if options.resources is not None else None
    if said is not None:
        return said
    if limit is None:
        return DBCACHE_MIB
    share = math.floor(amount_of(limit) / 2**20 / DBCACHE_SHARE)
    return min(max(share, DBCACHE_MIN_MIB), DBCACHE_MAX_MIB)


def refused_value(spec: Spec, options: NodeOptions) -> str:
    """
    Say which value of a spec cannot be written, and what is right; empty where all can.

    The API server refuses such values by the same patterns, but for those that an older definition let through.

    >>> from ctrlkit.bitcoin.network import Configuration
    >>> refused_value(Spec(nodes=1), NodeOptions(configuration=Configuration(extra=["server=0"])))
    'configuration.extra: the controller sets server itself; take it out'
    """
    return next(_refused(spec, options), "")


def is_user(text: str) -> bool:
    """Whether bitcoin.conf can have a user: of printable ASCII without `:`, `$`, `#` and spaces."""
    return _USER.fullmatch(text) is not None


def is_auth_line(line: str) -> bool:
    """Whether a line is one of rpcauth: a user without `:`, `$`, `#` and spaces, a salt and a hash."""
    return _AUTH.fullmatch(line) is not None


def is_quantity(text: str) -> bool:
    """Whether a text is a Kubernetes quantity as specs have it, such as `10Gi`."""
    return _QUANTITY_IN_SPEC.fullmatch(text) is not None


@lru_cache(maxsize=1_000)
def amount_of(quantity: str) -> Fraction:
    """
    Return what a Kubernetes quantity stands for: bytes, or whatever is counted. Any form that the API server keeps.

    >>> amount_of("10Gi") == 10 * 2**30, amount_of("20e9") == 20_000_000_000, amount_of("500m")
    (True, True, Fraction(1, 2))

    Errors  ValueError for a text that is none.
    """
    found = _QUANTITY.fullmatch(quantity) if len(quantity) <= _QUANTITY_MAX else None
    if found is None:
        raise ValueError(f"read quantity {quantity[:40]!r}: it is none; write one as 10Gi")
    factor = Fraction(10) ** int(found["exponent"]) if found["exponent"] else _UNITS[found["unit"] or ""]
    return Fraction(found["number"]) * factor


def _refused(spec: Spec, options: NodeOptions) -> Iterator[str]:
    for line in options.configuration.extra if options.configuration is not None else ():
        if not re.fullmatch(LINE, line):
            yield f"configuration.extra: {line[:40]!r} is no line of bitcoin.conf; write NAME=VALUE, in ASCII"
        if re.match(ELSEWHERE, line):
            option = line.partition("=")[0]
            yield f"configuration.extra: {option} runs a command, or is about a file outside of the chain; take it out"
        if re.match(OWN_OPTION, line):
            yield f"configuration.extra: the controller sets {line.partition('=')[0]} itself; take it out"
    for peer in spec.peers:
        if not re.fullmatch(PEER_ADDRESS, peer):
            yield f"peers: {peer[:40]!r} is no address; write HOST or HOST:PORT"
    if spec.signet_challenge is not None and not _SCRIPT.fullmatch(spec.signet_challenge):
        yield "signetChallenge: it is no script in hexadecimal digits; write two for each byte"
    limit = options.resources.limits.get("memory") if options.resources is not None else None
    if limit is not None and not is_quantity(limit):
        yield f"resources.limits: memory {limit[:40]!r} is no quantity; write one as 2Gi"


def _lines(spec: Spec, options: NodeOptions, auth: Sequence[str]) -> Iterator[str]:
    """Of an option that has one value nodes take the first, so what a user may set otherwise stands below `extra`."""
    configuration, (rpc, _, zmq) = options.configuration or Configuration(), ports_of(spec)
    yield from ("server=1", "listen=1", "printtoconsole=1")
    if spec.chain is not Chain.MAIN:
        yield f"{spec.chain}=1"
    yield from (f"datadir={DATA_DIR}", f"rpcport={rpc}")
    yield from (f"rpcauth={line}" for line in auth)
    yield f"dbcache={dbcache_mib(options)}"
    if configuration.prune_mib is not None:
        yield f"prune={configuration.prune_mib}"
    if configuration.txindex is not None:
        yield f"txindex={int(configuration.txindex)}"
    if spec.chain is Chain.SIGNET and spec.signet_challenge is not None:
        yield f"signetchallenge={spec.signet_challenge}"
    if zmq is not None:
        yield from (f"zmqpub{topic}=tcp://0.0.0.0:{zmq}" for topic in ("hashblock", "hashtx", "rawblock", "rawtx"))
    yield from configuration.extra
    if spec.chain is Chain.REGTEST or spec.signet_challenge is not None:
        yield "dnsseed=0"
    if spec.chain is not Chain.MAIN:
        yield from (f"[{spec.chain}]", f"rpcport={rpc}")
        yield from filter(_OF_ONE_CHAIN.match, configuration.extra)
