"""What container images stand for on this machine: which program runs, and how a command inside the image is meant."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import fakes
from fakes.cluster.binaries import cli_of, consensus_flags
from fakes.cluster.runtime import ContainerRefused

RPC_PORT = 18332
P2P_PORT = 18444
_CONFIGURATION = "bitcoin.conf"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container lives: the pod's address, the container's folder, its environment."""

    address: str
    folder: Path
    environment: Mapping[str, str]


class Image(Protocol):
    """
    How an image runs here.

    Shape   `ports` are those its program listens on, at the pod's address. `environment` comes before the container's.
    """

    @property
    def ports(self) -> tuple[int, ...]:
        """Where its program listens, at the pod's address."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that come before the container's."""
        ...

    def prepare(self, place: Place) -> tuple[str, ...]:
        """Write what the program needs into the container's folder; the command line that starts it."""
        ...

    def translate(self, command: tuple[str, ...], place: Place) -> tuple[str, ...]:
        """A command as it is written for the image, as a command line of this machine."""
        ...


@dataclass(frozen=True, slots=True)
class ProgramImage:
    """Any program of this machine; a command of the container is run as it stands."""

    argv: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, place: Place) -> tuple[str, ...]:
        """Nothing to write."""
        return self.argv

    def translate(self, command: tuple[str, ...], place: Place) -> tuple[str, ...]:
        """As it stands."""
        return command


@dataclass(frozen=True, slots=True)
class BitcoindImage:
    """
    The image `bitcoind` of the bitcoin controller: a regtest node on the pod's address.

    In      BC_RPC_USER and BC_RPC_PASSWORD, else user and password, as the image's entry point reads them. They go into
            a bitcoin.conf that only the owner can read, never on a command line.
    Maps    `bitcoin-cli` and `bitcoind` of the image's /usr/local/bin, and /bitcoin.conf, to this machine's.
    Errors  ContainerRefused for credentials that bitcoin.conf cannot carry.
    """

    daemon: tuple[str, ...]
    cli: tuple[str, ...]
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = (RPC_PORT, P2P_PORT)

    def prepare(self, place: Place) -> tuple[str, ...]:
        """Write bitcoin.conf and make the data folder."""
        user = place.environment.get("BC_RPC_USER") or "user"
        password = place.environment.get("BC_RPC_PASSWORD") or "password"
        for name, value in (("BC_RPC_USER", user), ("BC_RPC_PASSWORD", password)):
            if "#" in value or not value.isprintable() or value != value.strip():
                raise ContainerRefused(
                    "CreateContainerConfigError",
                    f"{name} holds what bitcoin.conf cannot carry (#, line breaks, blanks at its ends); choose another",
                )
        configuration, data = place.folder / _CONFIGURATION, place.folder / "data"
        data.mkdir(exist_ok=True)
        _write_private(configuration, f"rpcuser={user}\nrpcpassword={password}\n")
        return (
            *self.daemon,
            "-regtest",
            f"-conf={configuration}",
            f"-datadir={data}",
            f"-bind={place.address}:{P2P_PORT}",
            f"-rpcbind={place.address}:{RPC_PORT}",
            "-rpcallowip=127.0.0.0/8",
            "-listen=1",
            "-dnsseed=0",
            *self.flags,
        )

    def translate(self, command: tuple[str, ...], place: Place) -> tuple[str, ...]:
        """
        Put this machine's paths into a command of the image; a call of bitcoin-cli is told where its node listens.

        >>> image = BitcoindImage(daemon=("/opt/bitcoind",), cli=("/opt/bitcoin-cli",))
        >>> place = Place("127.16.0.1", Path("/tmp/pod"), {})
        >>> " ".join(image.translate(("/usr/local/bin/bitcoin-cli", "-conf=/bitcoin.conf", "stop"), place))
        '/opt/bitcoin-cli -rpcconnect=127.16.0.1 -rpcport=18332 -conf=/tmp/pod/bitcoin.conf stop'
        """
        if not command:
            return command
        program, *arguments = (part.replace("/bitcoin.conf", str(place.folder / _CONFIGURATION)) for part in command)
        match program.removeprefix("/usr/local/bin/"):
            case "bitcoin-cli":
                return (*self.cli, f"-rpcconnect={place.address}", f"-rpcport={RPC_PORT}", *arguments)
            case "bitcoind":
                return (*self.daemon, *arguments)
        return (program, *arguments)


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


async def real_bitcoind(bitcoind: Path) -> BitcoindImage:
    """The image backed by a bitcoind of this machine. Errors: BinaryNotFound where no bitcoin-cli is beside it."""
    cli = cli_of(bitcoind)
    return BitcoindImage(daemon=(str(bitcoind),), cli=(str(cli),), flags=tuple(await consensus_flags(bitcoind)))


def simulated_bitcoind() -> BitcoindImage:
    """The same image with simulated nodes, each a Python process (fakes.bitcoind)."""
    program = (sys.executable, "-m", "fakes.bitcoind")
    home = Path(fakes.__file__).parent.parent
    return BitcoindImage(daemon=program, cli=(*program, "cli"), environment={"PYTHONPATH": str(home)})


def image_name(reference: str) -> str:
    """
    The last part of an image's repository, by which programs are found.

    >>> image_name("christianb93/bitcoind:v1.0"), image_name("host:5000/a/b@sha256:12"), image_name("x")
    ('bitcoind', 'b', 'x')
    """
    return reference.rpartition("/")[2].partition("@")[0].partition(":")[0]


def find_image(images: Mapping[str, Image], reference: str) -> Image:
    """The image a reference names. Errors: ContainerRefused (ErrImagePull)."""
    image = images.get(image_name(reference))
    if image is None:
        known = ", ".join(sorted(images)) or "none"
        raise ContainerRefused("ErrImagePull", f"image {reference} has no program here; known are: {known}")
    return image
