"""bitcoin.conf and arguments: what they say, and what no spec can make them say."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ctrlkit.bitcoin.bitcoin_conf import (
    amount_of,
    arguments,
    bitcoin_conf,
    dbcache_mib,
    is_auth_line,
    refused_value,
)
from ctrlkit.bitcoin.network import Chain, Configuration, NodeOptions, Ports, Resources, Spec
from ctrlkit.bitcoin.rotation import auth_line
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.fakes.tracker.schema.quantities import quantity_value
from tests.bitcoin.networks import ANY_SPECS, SPECS

AUTH = auth_line(Credentials(user="bc", password="s3cret"), "5a17")
OURS = ("server", "listen", "printtoconsole", "datadir", "rpcport", "dbcache")
"""Options that stand in each file once."""

SPACE = " \t\r\n"


def as_core_reads(text: str) -> list[tuple[str, str, str]]:
    """Section, name and value of each option of a bitcoin.conf; ValueError where Core would not start."""
    section, found = "", []
    for raw in text.split("\n"):
        line = raw.partition("#")[0].strip(SPACE)
        name, equals, value = line.partition("=")
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line.startswith("-") or (line and not equals):
            raise ValueError(line)
        elif line:
            found.append((section, name.strip(SPACE), value.strip(SPACE)))
    return found


def options_in(spec: Spec, options: NodeOptions | None = None) -> dict[str, str]:
    """The options of a spec's bitcoin.conf outside of sections, of several the first, as nodes take it."""
    found: dict[str, str] = {}
    for section, name, value in as_core_reads(bitcoin_conf(spec, options or spec, [AUTH])):
        if not section:
            found.setdefault(name, value)
    return found


def test_the_least_spec_gives_the_least_file() -> None:
    """What a node of regtest needs: RPC for the lines of rpcauth, its log on the console, no seeds; and bitcoin-cli."""
    assert options_in(Spec(nodes=3)) == {
        "server": "1",
        "listen": "1",
        "printtoconsole": "1",
        "regtest": "1",
        "datadir": "/var/lib/bitcoin",
        "rpcport": "18332",
        "rpcauth": AUTH,
        "dbcache": "450",
        "dnsseed": "0",
    }


def test_arguments_have_what_core_takes_for_one_chain_alone() -> None:
    """In the file, Core would ignore them for another chain than main, and older nodes know no sections."""
    assert arguments(Spec(nodes=1, peers=["192.0.2.1:18444"])) == (
        "-datadir=/var/lib/bitcoin",
        "-conf=/etc/bitcoin/.bitcoin/bitcoin.conf",
        "-regtest",
        "-port=18444",
        "-rpcport=18332",
        "-rpcbind=::",
        "-rpcbind=0.0.0.0",
        "-rpcallowip=::/0",
        "-rpcallowip=0.0.0.0/0",
        "-addnode=192.0.2.1:18444",
    )


@pytest.mark.parametrize(
    ("chain", "flags", "rpc", "p2p"),
    [
        (Chain.REGTEST, ["-regtest"], 18332, 18444),
        (Chain.SIGNET, ["-signet"], 38332, 38333),
        (Chain.TESTNET4, ["-testnet4"], 48332, 48333),
        (Chain.MAIN, [], 8332, 8333),
    ],
)
def test_each_chain_has_its_flag_and_ports(chain: Chain, flags: list[str], rpc: int, p2p: int) -> None:
    """Those of Core, but for regtest's RPC; a port that is said takes the place of the default."""
    spec = Spec(nodes=1, chain=chain)
    assert list(arguments(spec)[2:-4]) == [*flags, f"-port={p2p}", f"-rpcport={rpc}"]
    said = arguments(Spec(nodes=1, chain=chain, ports=Ports(rpc=1111, p2p=2222)))
    assert {"-port=2222", "-rpcport=1111"} <= {*said}


@pytest.mark.parametrize("chain", Chain)
def test_bitcoin_cli_finds_the_node_by_the_file_alone(chain: Chain) -> None:
    """
    The file names the chain, where the cookie is, and the port: for nodes with sections in that of the chain, and
    before all sections for others, and for main.
    """
    spec = Spec(nodes=1, chain=chain, ports=Ports(rpc=1111))
    entries = as_core_reads(bitcoin_conf(spec, spec, []))
    is_main = chain is Chain.MAIN
    assert [entry for entry in entries if entry[1] == "rpcport"] == [
        ("", "rpcport", "1111"),
        *([] if is_main else [(str(chain), "rpcport", "1111")]),
    ]
    assert ("", "datadir", "/var/lib/bitcoin") in entries
    assert [name for _, name, _ in entries if name in [*Chain]] == ([] if is_main else [str(chain)])


def test_nodes_of_a_public_chain_may_ask_seeds() -> None:
    """They find their peers themselves; those of a network of ours have nobody else to find."""
    public = [Spec(nodes=1, chain=chain) for chain in (Chain.MAIN, Chain.TESTNET4, Chain.SIGNET)]
    assert [options_in(spec).get("dnsseed") for spec in public] == [None] * 3
    own = Spec(nodes=1, chain=Chain.SIGNET, signet_challenge="5121ff51ae")
    assert {"dnsseed": "0", "signetchallenge": "5121ff51ae"}.items() <= options_in(own).items()


def test_configuration_is_written_as_options() -> None:
    """dbcache, prune and txindex as numbers; lines of `extra` as they are, in their order."""
    said = Configuration(dbcache_mib=1000, prune_mib=550, txindex=False, extra=["debug=net", "debug=rpc"])
    text = bitcoin_conf(Spec(nodes=1), NodeOptions(configuration=said), [])
    assert {"dbcache=1000", "prune=550", "txindex=0"} <= {*text.splitlines()}
    assert "debug=net\ndebug=rpc\n" in text


def test_zmq_publishes_blocks_and_transactions_at_the_port() -> None:
    """Whole ones, and their hashes; it is off where no port is said."""
    on = options_in(Spec(nodes=1, ports=Ports(zmq=28332)))
    topics = ["zmqpubhashblock", "zmqpubhashtx", "zmqpubrawblock", "zmqpubrawtx"]
    assert [on[topic] for topic in topics] == ["tcp://0.0.0.0:28332"] * 4
    assert not any(name.startswith("zmq") for name in options_in(Spec(nodes=1)))


def test_a_user_may_choose_what_the_controller_only_prefers() -> None:
    """Of an option with one value nodes take the first, so what is said in `extra` stands before our dnsseed."""
    said = Configuration(extra=["dnsseed=1"])
    assert options_in(Spec(nodes=1, configuration=said))["dnsseed"] == "1"


def test_a_wallet_is_named_for_nodes_with_sections_and_without() -> None:
    """Core ignores a wallet outside of its chain's section; older nodes know it only there."""
    spec = Spec(nodes=1, configuration=Configuration(extra=["wallet=w", "debug=net"]))
    assert [entry for entry in as_core_reads(bitcoin_conf(spec, spec, [])) if entry[1] == "wallet"] == [
        ("", "wallet", "w"),
        ("regtest", "wallet", "w"),
    ]
    main = Spec(nodes=1, chain=Chain.MAIN, configuration=Configuration(extra=["wallet=w"]))
    assert "[" not in bitcoin_conf(main, main, [])


@pytest.mark.parametrize(
    ("said", "limit", "wanted"),
    [
        (None, None, 450),
        (None, "2Gi", 512),
        (None, "8G", 1907),
        (None, "1Mi", 4),
        (None, "1Ti", 16384),
        (2000, "1Gi", 2000),
    ],
)
def test_the_cache_of_coins_fits_the_memory(said: int | None, limit: str | None, wanted: int) -> None:
    """A quarter of the limit, within what Core takes, unless the spec says a size; 450 MiB without a limit."""
    resources = None if limit is None else Resources(limits={"memory": limit})
    assert dbcache_mib(NodeOptions(configuration=Configuration(dbcache_mib=said), resources=resources)) == wanted


@pytest.mark.parametrize(
    ("quantity", "wanted"),
    [
        ("10Gi", Fraction(10 * 2**30)),
        ("4Ki", Fraction(4096)),
        ("1.5k", Fraction(1500)),
        ("100m", Fraction(1, 10)),
        ("20e9", Fraction(20 * 10**9)),
        ("1E", Fraction(10**18)),
        ("7", Fraction(7)),
    ],
)
def test_quantities_are_read_as_kubernetes_does(quantity: str, wanted: Fraction) -> None:
    """Binary and decimal units and exponents, exactly."""
    assert amount_of(quantity) == wanted


QUANTITIES = st.from_regex(r"[+-]?[0-9]{0,4}\.?[0-9]{0,3}([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(QUANTITIES | st.text("0123456789.+-eEnumkKMGTPi", max_size=8))
def test_for_any_text_it_is_the_quantity_that_the_server_takes_it_for(text: str) -> None:
    """Or none, where the server says so."""
    try:
        wanted = quantity_value(text)
    except ValueError:
        with pytest.raises(ValueError, match="it is none"):
            amount_of(text)
    else:
        assert amount_of(text) == Fraction(wanted)


@pytest.mark.parametrize("quantity", ["", "Gi", "10GiB", "1e", "1e9999", "1" * 1001, "10\n"])
def test_what_is_no_quantity_is_refused_with_the_next_step(quantity: str) -> None:
    """Nor what it would take for ever to read."""
    with pytest.raises(ValueError, match=r"it is none; write one as 10Gi"):
        amount_of(quantity)


@given(SPECS)
def test_for_any_spec_that_is_let_through_each_option_of_ours_stands_once(spec: Spec) -> None:
    """And nothing else but the lines that the spec has: so no value became an option of its own."""
    text = bitcoin_conf(spec, spec, [AUTH])
    entries = [(name, value) for section, name, value in as_core_reads(text) if not section]
    extra = spec.configuration.extra if spec.configuration is not None else []
    assert [entries.count((name, value)) for name, _, value in (line.partition("=") for line in extra)] == [
        extra.count(line) for line in extra
    ]
    rest = [name for name, _ in entries]
    for line in extra:
        rest.remove(line.partition("=")[0])
    assert len(rest) == len({*rest})
    assert (
        {*OURS, "rpcauth"}
        <= {*rest}
        <= {*OURS, "rpcauth", "prune", "txindex", "dnsseed", str(spec.chain)}
        | {f"zmqpub{topic}" for topic in ("hashblock", "hashtx", "rawblock", "rawtx")}
    )
    assert not any(flag.partition("=")[0] in ("-rpcuser", "-rpcpassword", "-rpcauth") for flag in arguments(spec))


@given(ANY_SPECS)
@example(Spec(nodes=1, configuration=Configuration(extra=["debug=net\n"])))
@example(Spec(nodes=1, configuration=Configuration(extra=["debug=net\nrpcauth=me:a$b"])))
@example(Spec(nodes=1, configuration=Configuration(extra=["[main]\nserver=0"])))
@example(Spec(nodes=1, configuration=Configuration(extra=["noserver=1"])))
@example(Spec(nodes=1, configuration=Configuration(extra=["main.rpcauth=me:a$b"])))
@example(Spec(nodes=1, configuration=Configuration(extra=["debug=a#b"])))
@example(Spec(nodes=1, peers=["192.0.2.1\n"]))
@example(Spec(nodes=1, peers=["-rpcpassword=x"]))
@example(Spec(nodes=1, signet_challenge="00\nrpcauth=me:a$b", chain=Chain.SIGNET))
def test_for_any_text_in_a_spec_it_is_refused_or_stays_what_it_is(spec: Spec) -> None:
    """A sentence says which value it is; what is not refused leads to no option, section or comment of its own."""
    refused = refused_value(spec, spec)
    if refused:
        with pytest.raises(ValueError, match=r"^write bitcoin\.conf: "):
            bitcoin_conf(spec, spec, [AUTH])
        assert "; " in refused
        assert "\n" not in refused
        return
    extra = spec.configuration.extra if spec.configuration is not None else []
    text = bitcoin_conf(spec, spec, [AUTH])
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("rpcauth")] == [f"rpcauth={AUTH}"]
    assert "#" not in text
    options = [line for line in lines if not line.startswith("[")]
    assert [(name, value) for _, name, value in as_core_reads(text)] == [
        (name, value.strip(SPACE)) for name, _, value in (line.partition("=") for line in options)
    ]
    own = len(options) - len(extra)
    ours = [*OURS, "regtest", "rpcport", "rpcauth", "dnsseed", "signetchallenge"]
    assert own <= len(ours) + sum("wallet=" in line for line in extra)
    assert all(value.startswith("-") and not {*value} & {*SPACE} for value in arguments(spec))


@pytest.mark.parametrize(
    "line", ["", "bc", "bc:5a17$", "b c:5a17$ae", "bc:5a17$ae\nserver=0", "bc#:5a17$ae", "b$:1$ae"]
)
def test_what_is_no_line_of_rpcauth_is_not_written(line: str) -> None:
    """It would let nobody in, or be another option."""
    assert not is_auth_line(line)
    with pytest.raises(ValueError, match="make it anew"):
        bitcoin_conf(Spec(nodes=1), NodeOptions(), [line])
