"""Images stand for programs of this machine; credentials stay off command lines."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from fakes.cluster.binaries import BinaryNotFound
from fakes.cluster.images import (
    BitcoindImage,
    Image,
    Place,
    ProgramImage,
    find_image,
    real_bitcoind,
    simulated_bitcoind,
)
from fakes.cluster.runtime import ContainerRefused

IMAGE = BitcoindImage(daemon=("/opt/bitcoind",), cli=("/opt/bitcoin-cli",), flags=("-fork=1",))


def place(folder: Path, **environment: str) -> Place:
    return Place("127.16.0.1", folder, environment)


def test_a_bitcoind_listens_on_its_pods_address_only(tmp_path: Path) -> None:
    """All ports are the same in every pod, so the address is what tells nodes apart."""
    argv = IMAGE.prepare(place(tmp_path))
    assert argv[:2] == ("/opt/bitcoind", "-regtest")
    assert {"-bind=127.16.0.1:18444", "-rpcbind=127.16.0.1:18332", f"-datadir={tmp_path}/data"} <= set(argv)
    assert argv[-1] == "-fork=1"


def test_credentials_are_in_a_private_file_and_nowhere_else(tmp_path: Path) -> None:
    """Everybody on a machine can read command lines."""
    for password in ("hunter2", "hunter3"):  # the second time, the file is there
        argv = IMAGE.prepare(place(tmp_path, BC_RPC_USER="bob", BC_RPC_PASSWORD=password))
        assert not any("hunter" in part or "bob" in part for part in argv)
        configuration = tmp_path / "bitcoin.conf"
        assert configuration.read_text() == f"rpcuser=bob\nrpcpassword={password}\n"
        assert stat.S_IMODE(configuration.stat().st_mode) == 0o600


def test_without_a_secret_the_defaults_of_the_image_hold(tmp_path: Path) -> None:
    """user and password, as the original's entry point writes them."""
    IMAGE.prepare(place(tmp_path))
    assert (tmp_path / "bitcoin.conf").read_text() == "rpcuser=user\nrpcpassword=password\n"


@pytest.mark.parametrize("password", ["a#b", "a\nrpcallowip=0.0.0.0/0", " hunter2"])
def test_credentials_that_would_change_the_configuration_are_refused(tmp_path: Path, password: str) -> None:
    """The message names the key and does not show the value."""
    with pytest.raises(ContainerRefused, match="BC_RPC_PASSWORD holds what") as refused:
        IMAGE.prepare(place(tmp_path, BC_RPC_PASSWORD=password))
    assert password not in str(refused.value)


def test_the_readiness_probe_of_the_bitcoin_controller_is_understood(tmp_path: Path) -> None:
    """Its paths are those of the image."""
    command = ("/usr/local/bin/bitcoin-cli", "-regtest", "-conf=/bitcoin.conf", "getnetworkinfo")
    assert IMAGE.translate(command, place(tmp_path)) == (
        "/opt/bitcoin-cli",
        "-rpcconnect=127.16.0.1",
        "-rpcport=18332",
        "-regtest",
        f"-conf={tmp_path}/bitcoin.conf",
        "getnetworkinfo",
    )
    assert IMAGE.translate(("/bin/true",), place(tmp_path)) == ("/bin/true",)
    assert IMAGE.translate((), place(tmp_path)) == ()


def test_simulated_nodes_take_the_same_flags(tmp_path: Path) -> None:
    """The image only starts another program."""
    image = simulated_bitcoind()
    assert image.prepare(place(tmp_path))[:4] == (sys.executable, "-m", "fakes.bitcoind", "-regtest")
    assert image.translate(("bitcoin-cli", "stop"), place(tmp_path))[:4] == (
        sys.executable,
        "-m",
        "fakes.bitcoind",
        "cli",
    )


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
    for help_text, count in (("Bitcoin Core\\n  -regtest", 0), ("x\\n  -excessiveblocksize=<n>", 1)):
        for name in ("bitcoind", "bitcoin-cli"):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\nprintf '{help_text}\\n'\n")
            program.chmod(0o755)
        image = await real_bitcoind(tmp_path / "bitcoind")
        assert len(image.flags) == count


def test_an_image_that_stands_for_nothing_cannot_be_pulled() -> None:
    """The reason is what kubectl shows for it in a cluster."""
    images: dict[str, Image] = {"bitcoind": IMAGE, "sleep": ProgramImage(("sleep", "60"))}
    assert find_image(images, "christianb93/bitcoind:v1.0") is IMAGE
    with pytest.raises(
        ContainerRefused, match="image nginx:1 has no program here; known are: bitcoind, sleep"
    ) as refused:
        find_image(images, "nginx:1")
    assert refused.value.reason == "ErrImagePull"
