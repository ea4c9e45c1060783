"""
What container images stand for on this machine: programs, and what pods may have them do.

An image declares its programs, as data. Whatever of a pod reaches a process is part of such a declaration: a command, a
probe or an argument that is not declared keeps the container from starting, with a message that names what is. So who
may write pods to a server may run these programs, and nothing else, as the user whom the runtime belongs to.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ctrlkit
from ctrlkit.fakes.bitcoind.binaries import cli_of, consensus_flags
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused

RPC_PORT = 18332
P2P_PORT = 18444
_SHOWN_MAX = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container lives: the pod's address, the container's folder, its settings."""

    address: str
    folder: Path
    settings: Mapping[str, str]

    def put_into(self, text: str) -> str:
        """
        Replace `{address}` and `{folder}`.

        >>> Place("127.16.0.1", Path("/tmp/pod"), {}).put_into("-bind={address} -datadir={folder}/data")
        '-bind=127.16.0.1 -datadir=/tmp/pod/data'
        """
        return text.replace("{address}", self.address).replace("{folder}", str(self.folder))


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """
    A program of an image, and all that a pod may pass to it.

    >>> echo = Program(argv=("/bin/echo",), own=("-n",), flags={"-e": ""}, commands={"hello": "[a-z]+"})
    >>> echo.command_line(["-e", "hello", "world"], Place("127.16.0.1", Path("/tmp"), {}))
    ('/bin/echo', '-n', '-e', 'hello', 'world')

    Shape   `argv` starts it here, and `own` are arguments that always come first; `{address}` and `{folder}` in them
            are put in. `flags` are those that a pod may add, each with a regular expression that its whole value
            matches, '' where it has none; a value among `paths` is one of the image, and what it is here. `commands`
            are words that may follow the flags, each with an expression for every word behind it.
    Errors  ContainerRefused from `command_line`; its message shows no values.
    """

    argv: tuple[str, ...]
    own: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)

    def command_line(self, arguments: Sequence[str], place: Place) -> tuple[str, ...]:
        """What to run here for what a pod passes."""
        count = next((i for i, text in enumerate(arguments) if not text.startswith("-")), len(arguments))
        flags = [self._read_flag(flag, place) for flag in arguments[:count]]
        words = arguments[count:]
        self._check_words(words)
        return (*self.argv, *map(place.put_into, self.own), *flags, *words)

    def _read_flag(self, flag: str, place: Place) -> str:
        name, separator, value = flag.partition("=")
        if name not in self.flags:
            raise _refused(f"{_shown(name)} is no flag that a pod may pass here; those are: {_list(self.flags)}")
        if not re.fullmatch(self.flags[name], value):
            raise _refused(f"{name} may not have this value here; one has to match {self.flags[name]!r}")
        return name + separator + place.put_into(self.paths[value]) if value in self.paths else flag

    def _check_words(self, words: Sequence[str]) -> None:
        if not words:
            return
        command, *more = words
        if command not in self.commands:
            raise _refused(
                f"{_shown(command)} is no command that a pod may give here; those are: {_list(self.commands)}"
            )
        if not all(re.fullmatch(self.commands[command], word) for word in more):
            raise _refused(
                f"{command} may not have these words behind it here; each has to match {self.commands[command]!r}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """
    How an image runs here.

    Shape   `programs` by their paths in the image; `entry` is the one that runs where a pod names none. `settings` are
            the variables of a pod's environment that count, and what they are where it has none or an empty one.
            `files` are written into the container's folder, for their owner only, with settings in place of `{NAME}`;
            `folders` are made there. `ports` are those it listens on, at the pod's address. `environment` is what its
            processes have besides the settings.
    Errors  ContainerRefused from its methods, with the kubelet's reason.
    """

    programs: Mapping[str, Program]
    entry: str
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def settings_from(self, variables: Mapping[str, str]) -> dict[str, str]:
        """What of a container's environment counts here."""
        settings = {name: variables.get(name) or default for name, default in self.settings.items()}
        for name, value in settings.items():
            if "#" in value or not value.isprintable() or value != value.strip():
                raise ContainerRefused(
                    "CreateContainerConfigError",
                    f"{name} holds what a configuration file cannot carry (#, line breaks, blanks at its ends); "
                    "choose another",
                )
        return settings

    def command_line(self, command: Sequence[str], arguments: Sequence[str], place: Place) -> tuple[str, ...]:
        """What to run here for a container's command, the image's own where it has none, and its arguments."""
        path, *more = command or (self.entry,)
        return self._program(path).command_line((*more, *arguments), place)

    def prepare(self, place: Place) -> None:
        """Write the files and make the folders of a container."""
        for name in self.folders:
            place.folder.joinpath(name).mkdir(exist_ok=True)
        for name, text in self.files.items():
            _write_private(place.folder / name, text.format_map(place.settings))

    def _program(self, path: str) -> Program:
        for known, program in self.programs.items():
            if path == known or ("/" not in path and path == known.rpartition("/")[2]):
                return program
        raise _refused(f"{_shown(path)} is no program that a pod may run here; those are: {_list(self.programs)}")


def _refused(fact: str) -> ContainerRefused:
    return ContainerRefused("RunContainerError", fact)


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_MAX])


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


# ---- bitcoind --------------------------------------------------------------------------------------------------------

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
_CLI_FLAGS = {"-conf": _CONFIGURATION, "-regtest": "1?", "-rpcclienttimeout": _NUMBER, "-rpcwait": "1?"}
_CLI_METHODS = (
    *("getaddednodeinfo", "getbestblockhash", "getblock", "getblockchaininfo", "getblockcount", "getblockhash"),
    *("getblockheader", "getchaintips", "getconnectioncount", "getdifficulty", "getinfo", "getmempoolinfo"),
    *("getmininginfo", "getnettotals", "getnetworkinfo", "getpeerinfo", "getrawmempool", "uptime", "help", "ping"),
    *("generate", "generatetoaddress", "stop"),
)
_CLI_COMMANDS = dict.fromkeys(_CLI_METHODS, "[0-9A-Za-z.:]{1,100}")


def bitcoind_image(
    *,
    daemon: tuple[str, ...],
    cli: tuple[str, ...],
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Image:
    """
    The image `bitcoind` of the bitcoin controller: a regtest node on the pod's address.

    BC_RPC_USER and BC_RPC_PASSWORD, else user and password as the image's entry point has them, go into a bitcoin.conf
    that only the owner can read, never on a command line. The node has no wallet: a wallet's methods read and write
    files anywhere, for everybody who has the password.
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
        ports=(RPC_PORT, P2P_PORT),
        environment=environment or {},
    )


async def real_bitcoind(bitcoind: Path) -> Image:
    """The image backed by a bitcoind of this machine. Errors: BinaryNotFound where no bitcoin-cli is beside it."""
    cli = cli_of(bitcoind)
    return bitcoind_image(daemon=(str(bitcoind),), cli=(str(cli),), flags=await consensus_flags(bitcoind))


def simulated_bitcoind() -> Image:
    """The same image with simulated nodes, each a Python process (ctrlkit.fakes.bitcoind)."""
    program = (sys.executable, "-m", "ctrlkit.fakes.bitcoind")
    home = Path(ctrlkit.__file__).parent.parent
    return bitcoind_image(daemon=program, cli=(*program, "cli"), environment={"PYTHONPATH": str(home)})


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
