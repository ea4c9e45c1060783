"""Images stand for programs of this machine: what they declare runs, all else is refused; credentials stay private."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.bitcoin_conf import CONF_FILE, HOME, arguments, bitcoin_conf
from ctrlkit.bitcoin.network import Chain, Configuration, NodeOptions, Ports, Spec
from ctrlkit.fakes.bitcoind.binaries import BinaryNotFound
from ctrlkit.fakes.cluster.node.images import (
    Place,
    bitcoind_image,
    real_bitcoind,
    simulated_bitcoind,
)
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused

IMAGE = bitcoind_image(daemon=("/opt/bitcoind",), cli=("/opt/bitcoin-cli",), own=("-disablewallet", "-fork=1"))
PROBE = ("/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf", "getnetworkinfo")
OWN = ("/opt/bitcoind", "-bind=127.16.0.1", "-rpcbind=127.16.0.1", "-rpcallowip=127.0.0.0/8", "-listen=1", "-dnsseed=0")
ARGUMENTS = (
    *("-datadir=/var/lib/bitcoin", f"-conf={CONF_FILE}", "-regtest", "-port=18444", "-rpcport=18332"),
    *("-rpcbind=0.0.0.0", "-rpcbind=::", "-rpcallowip=0.0.0.0/0", "-rpcallowip=::/0"),
)


def place(folder: Path = Path("/tmp/pod"), **variables: str) -> Place:
    """Where a container with these variables lives."""
    return Place("127.16.0.1", folder, IMAGE.settings_from(variables))


def refusal(*command: str, arguments: tuple[str, ...] = ()) -> str:
    """What is said to a container with this command."""
    with pytest.raises(ContainerRefused) as refused:
        IMAGE.command_line(command, arguments, place())
    assert refused.value.reason == "RunContainerError"
    return refused.value.message


# ---- what runs -------------------------------------------------------------------------------------------------------


def test_a_bitcoind_listens_on_its_pods_address_only() -> None:
    """All ports are the same in every pod, so the address is what tells nodes apart."""
    assert IMAGE.command_line((), (), place()) == (
        *OWN,
        *("-disablewallet", "-fork=1"),
        *("-conf=/tmp/pod/.bitcoin/bitcoin.conf", "-regtest", "-datadir=/tmp/pod/data"),
    )


def test_the_command_of_a_network_finds_its_data_and_its_configuration() -> None:
    """Both are in the container's folder; to listen everywhere is to listen at the pod's address."""
    assert IMAGE.command_line(("bitcoind",), ARGUMENTS, place()) == (
        *OWN,
        *("-disablewallet", "-fork=1"),
        *("-datadir=/tmp/pod/data", "-conf=/tmp/pod/mounted.conf", "-regtest", "-port=18444", "-rpcport=18332"),
    )


def test_a_file_in_the_data_of_a_pod_is_no_configuration() -> None:
    """Another pod may have written it, and nobody has checked what is in it."""
    for program in ("bitcoind", "bitcoin-cli"):
        argv = IMAGE.command_line((program, "-datadir=/var/lib/bitcoin"), (), place())
        assert "-conf=/tmp/pod/.bitcoin/bitcoin.conf" in argv


def test_the_arguments_that_the_controller_writes_are_understood() -> None:
    """Of a network with all that changes them; bitcoin-cli is called without flags, and reads what is at home."""
    spec = Spec(nodes=1, peers=["127.16.0.9", "127.16.0.9:18555"], ports=Ports(rpc=20000, p2p=20001))
    argv = IMAGE.command_line(("bitcoind",), arguments(spec), place())
    assert argv[-3:] == ("-rpcport=20000", "-addnode=127.16.0.9", "-addnode=127.16.0.9:18555")
    assert IMAGE.command_line(("bitcoin-cli", "getblockchaininfo"), (), place()) == (
        *("/opt/bitcoin-cli", "-rpcconnect=127.16.0.1", "-conf=/tmp/pod/.bitcoin/bitcoin.conf", "getblockchaininfo"),
    )


def test_a_real_node_is_on_regtest_alone_and_a_simulated_one_on_the_chain_of_its_network() -> None:
    """A real one would load hundreds of gigabytes from strangers."""
    for chain, said in ((Chain.SIGNET, "'-signet' is no flag"), (Chain.TESTNET4, "'-testnet4' is no flag")):
        spec = Spec(nodes=1, chain=chain)
        assert refusal("bitcoind", arguments=arguments(spec)).startswith(said)
        assert f"-{chain}" in simulated_bitcoind().command_line(("bitcoind",), arguments(spec), place())


def test_a_bitcoind_has_no_wallet() -> None:
    """A wallet's methods write files anywhere, for everybody who knows the password."""
    assert "-disablewallet" in IMAGE.command_line((), (), place())


@pytest.mark.parametrize("program", ["bitcoind", "/usr/local/bin/bitcoind"])
def test_the_entry_point_by_name_is_the_entry_point(program: str) -> None:
    """With all that the image gives it; a pod's arguments come last."""
    argv = IMAGE.command_line((program, "-txindex=1"), ("-debug=net",), place())
    assert argv == (*IMAGE.command_line((), (), place()), "-txindex=1", "-debug=net")


def test_the_readiness_probe_of_the_bitcoin_controller_is_understood() -> None:
    """Its paths are those of the image."""
    assert IMAGE.command_line(PROBE, (), place()) == (
        *("/opt/bitcoin-cli", "-rpcconnect=127.16.0.1"),
        *("-regtest", "-conf=/tmp/pod/.bitcoin/bitcoin.conf", "getnetworkinfo"),
    )


def test_simulated_nodes_take_the_same_flags() -> None:
    """The image only starts another program."""
    image, where = simulated_bitcoind(), Place("127.16.0.1", Path("/tmp/pod"), {}, "29.1")
    python = (sys.executable, "-m", "ctrlkit.fakes.bitcoind")
    argv = image.command_line(("bitcoind",), ARGUMENTS, where)
    assert argv[: len(python) + 1] == (*python, OWN[1])
    assert "-release=29.1" in argv
    assert image.command_line(("bitcoin-cli", "stop"), (), where)[:5] == (python[0], "-S", *python[1:], "cli")


# ---- what does not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("/bin/sh", "-c", "id"),
        ("sh",),
        ("/opt/bitcoind",),
        ("/tmp/bitcoind",),
        ("../bitcoind",),
        ("/usr/local/bin/../../../bin/sh",),
        ("",),
    ],
)
def test_a_program_that_the_image_does_not_declare_is_refused(command: tuple[str, ...]) -> None:
    """Also this machine's own path of one that it does; the message names what there is."""
    assert refusal(*command) == (
        f"{command[0]!r} is no program that a pod may run here; those are: "
        "/usr/local/bin/bitcoind, /usr/local/bin/bitcoin-cli"
    )


@pytest.mark.parametrize(
    "flag",
    [
        *("-blocknotify=id", "-walletnotify=id", "-alertnotify=id", "-startupnotify=id", "-includeconf=/etc/passwd"),
        *("-debuglogfile=/home/x", "-pid=/home/x", "-blocksdir=/home", "-settings=/home/x", "-chain=main", "-signet"),
        *("-disablewallet=0", "-wallet=/home/x", "-connect=10.0.0.1", "-proxy=10.0.0.1:1", "-rpccookiefile=/home/x"),
        *("--blocknotify=id", "-BLOCKNOTIFY=id", "-zmqpubrawtx=tcp://*:1", "-safemodewebhookurl=http://10.0.0.1/", "-"),
    ],
)
def test_a_flag_that_the_image_does_not_declare_is_refused(flag: str) -> None:
    """Some of them run commands, write files or listen elsewhere; the value may be a secret and is not repeated."""
    name = flag.partition("=")[0]
    for said in (refusal(arguments=(flag,)), refusal("bitcoind", flag), refusal("bitcoind", arguments=(flag,))):
        assert said.startswith(f"{name!r} is no flag that a pod may pass here; those are: -addnode, -conf, -datadir, ")


@pytest.mark.parametrize(
    "flag",
    [
        *("-conf=/etc/shadow", "-conf=/bitcoin.conf/../x", "-conf", "-debug=../x", "-regtest=0", "-datadir=/home"),
        *("-rpcbind=10.0.0.1", "-rpcallowip=10.0.0.0/8", "-bind=10.0.0.1", "-addnode=10.0.0.1", "-port=1/x"),
    ],
)
def test_a_value_that_the_image_does_not_declare_is_refused(flag: str) -> None:
    """A configuration file of one's own could hold any flag."""
    assert refusal(arguments=(flag,)).startswith(f"{flag.partition('=')[0]} may not have this value here; ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dumpwallet", "/home/x"), "'dumpwallet' is no command that a pod may give here; those are: getaddednodeinfo"),
        (("getblock", "/etc/passwd"), "getblock may not have these words behind it here; "),
        (("getblock", "1\n2"), "getblock may not have these words behind it here; "),
        (("-rpcconnect=10.0.0.1", "stop"), "'-rpcconnect' is no flag"),
        (("-stdin",), "'-stdin' is no flag"),
    ],
)
def test_a_call_that_the_image_does_not_declare_is_refused(words: tuple[str, ...], said: str) -> None:
    """Methods that read or write files, and other servers."""
    assert refusal("bitcoin-cli", *words).startswith(said)


def test_bitcoind_takes_no_words() -> None:
    """Only flags."""
    assert refusal(arguments=("stop",)) == "'stop' is no command that a pod may give here; those are: none"


@given(
    command=st.lists(st.text(max_size=12) | st.sampled_from(PROBE), max_size=5),
    arguments=st.lists(st.text(max_size=12) | st.sampled_from(["-conf=/bitcoin.conf", "-debug"]), max_size=3),
)
def test_for_any_command_only_declared_programs_and_arguments_run(command: list[str], arguments: list[str]) -> None:
    """What is not refused starts a declared program, with its own arguments first, and adds nothing undeclared."""
    try:
        argv = IMAGE.command_line(command, arguments, place())
    except ContainerRefused:
        return
    program = next(one for one in (IMAGE.programs or {}).values() if one.argv[0] == argv[0])
    own = tuple(map(place().put_into, (*program.argv, *program.own)))
    assert argv[: len(own)] == own
    for added in argv[len(own) :]:
        assert added.partition("=")[0] in program.flags or added.isalnum()


# ---- credentials -----------------------------------------------------------------------------------------------------


def test_credentials_are_in_a_private_file_and_nowhere_else(tmp_path: Path) -> None:
    """Everybody on a machine can read command lines."""
    for password in ("hunter2", "hunter3"):  # the second time, the file is there
        where = place(tmp_path, BC_RPC_USER="bob", BC_RPC_PASSWORD=password)
        IMAGE.prepare(where)
        assert not any("hunter" in part or "bob" in part for part in IMAGE.command_line((), (), where))
        configuration = tmp_path / ".bitcoin" / "bitcoin.conf"
        assert configuration.read_text().startswith(f"rpcuser=bob\nrpcpassword={password}\n")
        assert stat.S_IMODE(configuration.stat().st_mode) == 0o600


@pytest.mark.parametrize("variables", [{}, {"BC_RPC_USER": "", "BC_RPC_PASSWORD": ""}])
def test_without_a_secret_the_defaults_of_the_image_hold(tmp_path: Path, variables: dict[str, str]) -> None:
    """user and password, as the original's entry point writes them."""
    IMAGE.prepare(place(tmp_path, **variables))
    text = (tmp_path / ".bitcoin" / "bitcoin.conf").read_text()
    assert text.startswith("rpcuser=user\nrpcpassword=password\nregtest=1\n")


@pytest.mark.parametrize("password", ["a#b", "a\nrpcallowip=0.0.0.0/0", " hunter2", "a\0b"])
def test_credentials_that_would_change_the_configuration_are_refused(password: str) -> None:
    """The message names the key and does not show the value."""
    with pytest.raises(ContainerRefused, match="BC_RPC_PASSWORD holds what") as refused:
        place(BC_RPC_PASSWORD=password)
    assert refused.value.reason == "CreateContainerConfigError"
    assert password not in str(refused.value)


def test_braces_in_credentials_are_only_braces(tmp_path: Path) -> None:
    """A setting is put into a file once, and is no template itself."""
    IMAGE.prepare(place(tmp_path, BC_RPC_USER="{BC_RPC_PASSWORD}", BC_RPC_PASSWORD="{folder}"))
    text = (tmp_path / ".bitcoin" / "bitcoin.conf").read_text()
    assert text.startswith("rpcuser={BC_RPC_PASSWORD}\nrpcpassword={folder}\n")


def test_only_declared_variables_count() -> None:
    """What changes how programs are loaded or found does not reach them."""
    assert place(LD_PRELOAD="/tmp/x.so", PATH="/tmp", PYTHONPATH="/tmp").settings.keys() == IMAGE.settings.keys()


# ---- configuration ---------------------------------------------------------------------------------------------------

AUTH = "bc-user:a1$" + "0f" * 32


def test_the_configuration_that_a_pod_mounts_is_what_its_node_reads(tmp_path: Path) -> None:
    """
    All that the controller writes is; it is private, as it tells who may call; the data is in the container's folder,
    and ZMQ at the pod's address.
    """
    configuration = Configuration(
        prune_mib=1000, extra=["maxmempool=100", "debug=net", "minrelaytxfee=0.00001", "wallet=none"]
    )
    options = NodeOptions(configuration=configuration)
    spec = Spec(nodes=1, ports=Ports(zmq=28332), configuration=configuration)
    text = bitcoin_conf(spec, options, [AUTH])
    IMAGE.prepare(place(tmp_path, HOME=HOME), {CONF_FILE: text.encode()}.get)
    wanted = text.replace("tcp://0.0.0.0:", "tcp://127.16.0.1:").replace("/var/lib/bitcoin", f"{tmp_path}/data")
    for read in (tmp_path / "mounted.conf", tmp_path / ".bitcoin" / "bitcoin.conf"):
        assert stat.S_IMODE(read.stat().st_mode) == 0o600
        assert read.read_text() == wanted
    assert f"rpcauth={AUTH}" in text
    assert "tcp://0.0.0.0:28332" in text


def test_without_the_home_of_its_network_a_pod_has_the_images_own(tmp_path: Path) -> None:
    """As bitcoin-cli looks into the home folder, whatever is mounted elsewhere."""
    text = bitcoin_conf(Spec(nodes=1), NodeOptions(), [AUTH])
    IMAGE.prepare(place(tmp_path), {CONF_FILE: text.encode()}.get)
    assert (tmp_path / ".bitcoin" / "bitcoin.conf").read_text().startswith("rpcuser=user\n")
    assert f"rpcauth={AUTH}" in (tmp_path / "mounted.conf").read_text()


@pytest.mark.parametrize("chain", [Chain.SIGNET, Chain.TESTNET4])
def test_the_configuration_of_a_real_node_is_on_regtest_alone(chain: Chain, tmp_path: Path) -> None:
    """As its arguments are; a simulated node may be on any chain."""
    read = {CONF_FILE: bitcoin_conf(Spec(nodes=1, chain=chain), NodeOptions(), [AUTH]).encode()}.get
    with pytest.raises(ContainerRefused, match=f"'{chain}' is no option that a pod may set here"):
        IMAGE.prepare(place(tmp_path), read)
    simulated_bitcoind().prepare(place(tmp_path, HOME=HOME), read)
    assert f"{chain}=1\n" in (tmp_path / ".bitcoin" / "bitcoin.conf").read_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("blocknotify=touch /tmp/x", "'blocknotify' is no option that a pod may set here; those are: "),
        ("includeconf=/etc/passwd", "'includeconf' is no option"),
        ("datadir=/home", "datadir may not have this value here; "),
        ("datadir=/var/lib/bitcoin/../x", "datadir may not have this value here; "),
        ("regtest=0", "regtest may not have this value here; "),
        ("rpcport=1/x", "rpcport may not have this value here; "),
        ("chain=main", "'chain' is no option"),
        ("rpcconnect=10.0.0.1", "'rpcconnect' is no option"),
        ("regtest.blocksdir=/home", "'regtest.blocksdir' is no option"),
        ("[regtest]\nrpccookiefile=/home/x", "'rpccookiefile' is no option"),
        ("wallet=/home/x", "wallet may not have this value here; "),
        ("debug=../x", "debug may not have this value here; "),
        ("zmqpubrawtx=ipc:///home/x", "zmqpubrawtx may not have this value here; "),
        ("rpcauth=hunter2", "rpcauth may not have this value here; "),
    ],
)
def test_a_configuration_that_reaches_beyond_the_node_is_refused(line: str, said: str, tmp_path: Path) -> None:
    """Some options run commands, read or write other files; the value may be a secret and is not repeated."""
    with pytest.raises(ContainerRefused) as refused:
        IMAGE.prepare(place(tmp_path), {CONF_FILE: f"server=1\n{line}\n".encode()}.get)
    assert refused.value.reason == "CreateContainerConfigError"
    assert refused.value.message.startswith(f"bitcoin.conf: {said}")
    assert "hunter2" not in refused.value.message


# ---- where images come from ------------------------------------------------------------------------------------------


@pytest.mark.real_time
async def test_a_bitcoind_without_its_client_is_refused(tmp_path: Path) -> None:
    """The readiness probe could never hold."""
    bitcoind = tmp_path / "bitcoind"
    bitcoind.write_text("#!/bin/sh\n")
    bitcoind.chmod(0o755)
    with pytest.raises(BinaryNotFound, match="bitcoin-cli beside"):
        await real_bitcoind(bitcoind)


@pytest.mark.real_time
async def test_only_the_fork_gets_the_flags_of_the_fork(tmp_path: Path) -> None:
    """A Bitcoin Core node refuses flags it does not know."""
    for help_text, flags in (
        ("Bitcoin Core\\n  -regtest", []),
        ("x\\n  -excessiveblocksize=<n>", ["-excessiveblocksize=1000000000"]),
    ):
        for name in ("bitcoind", "bitcoin-cli"):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\nprintf '{help_text}\\n'\n")
            program.chmod(0o755)
        image = await real_bitcoind(tmp_path / "bitcoind")
        argv = image.command_line((), (), place())
        assert argv[len(OWN) :] == (
            *("-regtest", *flags),
            *("-conf=/tmp/pod/.bitcoin/bitcoin.conf", "-regtest", "-datadir=/tmp/pod/data"),
        )
