"""
Container images as declarations of programs of this machine, and of what pods may pass to them.

Everything from a pod that reaches a process must be declared: an undeclared command, probe or argument keeps the
container from starting, and the message names what is declared. So whoever may create pods on a server may run these
programs, and nothing else, as the user of the runtime.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ctrlkit
from ctrlkit.fakes.bitcoind.binaries import cli_of, consensus_flags
from ctrlkit.fakes.cluster.node.runtime import ContainerRefused, PulledImage
from ctrlkit.fakes.files import write_private

RPC_PORT = 18332
P2P_PORT = 18444
_SHOWN_MAX = 64


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a container's pod, the container's folder, and its settings."""

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
    A program of an image, and everything that a pod may pass to it.

    >>> echo = Program(argv=("/bin/echo",), own=("-n",), flags={"-e": ""}, commands={"hello": "[a-z]+"})
    >>> echo.command_line(["-e", "hello", "world"], Place("127.16.0.1", Path("/tmp"), {}))
    ('/bin/echo', '-n', '-e', 'hello', 'world')

    Shape   `argv` starts the program on this machine; `own` are arguments that always come first, with `{address}` and
            `{folder}` replaced. `flags` maps the flags that a pod may add to a regular expression for the whole value,
            '' for a flag without one. `paths` maps paths in the image to paths on this machine. `commands` maps words
            that may follow the flags to an expression for each word after them.
    Errors  ContainerRefused from `command_line`; its message shows no values.
    """

    argv: tuple[str, ...]
    own: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)

    def command_line(self, arguments: Sequence[str], place: Place) -> tuple[str, ...]:
        """Return the command line to run for the arguments of a pod."""
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
    An image, as programs of this machine.

    Shape   `programs` maps paths in the image to programs; `entry` is the path of the default one. `settings` maps the
            environment variables that are used to their defaults. `files` are written into the container's folder, for
            their owner only, with `{NAME}` replaced by settings; `folders` are created there. `ports` are those that it
            listens on at the pod's address. `environment` are additional variables of its processes.
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
        """Select the settings from a container's environment."""
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
        """Return the command line for a container's command, or the image's default, and its arguments."""
        path, *more = command or (self.entry,)
        return self._program(path).command_line((*more, *arguments), place)

    def prepare(self, place: Place) -> None:
        """Write the files and create the folders of a container."""
        for name in self.folders:
            place.folder.joinpath(name).mkdir(exist_ok=True)
        for name, text in self.files.items():
            write_private(place.folder / name, text.format_map(place.settings))

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


def image_name(reference: str) -> str:
    """
    Return the last part of an image's repository, by which images are found.

    >>> image_name("christianb93/bitcoind:v1.0"), image_name("host:5000/a/b@sha256:12"), image_name("x")
    ('bitcoind', 'b', 'x')
    """
    return reference.rpartition("/")[2].partition("@")[0].partition(":")[0]


def find_image(images: Mapping[str, Image], reference: str) -> Image:
    """Find the image of a reference. Errors: ContainerRefused (ErrImagePull)."""
    image = images.get(image_name(reference))
    if image is None:
        known = ", ".join(sorted(images)) or "none"
        raise ContainerRefused("ErrImagePull", f"image {reference} has no program here; known are: {known}")
    return image


def pulled(reference: str) -> PulledImage:
    """Return the ID and size that an image of this reference has, the same each time."""
    digest = hashlib.sha256(reference.encode())
    return PulledImage(f"{image_name(reference)}@sha256:{digest.hexdigest()}", 1_000_000 + digest.digest()[0] * 100_000)
