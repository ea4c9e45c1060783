"""Selects the nodes of the demo: a real bitcoind if there is one, else simulated nodes."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import ctrlkit
from ctrlkit.bitcoin.demo.stage import NodeImages
from ctrlkit.bitcoin.versions import REPOSITORY
from ctrlkit.errors import CtrlkitError
from ctrlkit.exits import BAD_ARGUMENTS
from ctrlkit.fakes.bitcoind.binaries import BinaryNotFound, find_bitcoind
from ctrlkit.fakes.cluster.node.images import Image, Program, Pull, real_bitcoind, simulated_bitcoind

AUTO: Final = "auto"
_VERSION_LIMIT_S: Final = 10.0


class BadArgument(CtrlkitError):
    """An argument or an environment variable names something that cannot be used."""

    exit_status = BAD_ARGUMENTS


class NoBitcoind(CtrlkitError):
    """Real nodes were requested and no bitcoind was found."""


class NodeKind(StrEnum):
    """Whether nodes are real or simulated."""

    REAL = "real"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True)
class Binary:
    """The nodes to run, and one line that says which they are and why."""

    kind: NodeKind
    image: Image
    headline: str


def images_of(binary: Binary | None) -> NodeImages:
    """
    Return the images that pods of the demo name.

    Simulated nodes are of the release that the tag names, as are those of a cluster that pulls images. A bitcoind of
    this machine is what it is, whatever its pods name, so their tags tell nothing.
    """
    if binary is not None and binary.kind is NodeKind.REAL:
        return NodeImages(*(f"demo/bitcoind:{tag}" for tag in ("one", "two", "three")))
    return NodeImages(*(f"{REPOSITORY}:{version}" for version in ("29.1", "30.2", "28.1")))


_RUN: Final = (
    "import sys; from ctrlkit.bitcoin.cli import main; "
    "sys.exit(main(['run', *(argument for argument in sys.argv[1:] if argument != 'run')]))"
)


def controller_image() -> Image:
    """
    Return the image of this controller, for its own manifests and for the pods of articles.

    It works with the kubeconfig beside its pod's folder, which is the administrator's, and serves its endpoints at the
    pod's address. Of several pods one leads. A pod may say `run`, as the Deployment does, or nothing.
    """
    settings = (
        "--kubeconfig={folder}/../../kubeconfig",
        "--endpoints-address={address}:8080",
        "--webhooks-address={address}:9443",
        *("--leader-elect", "--lease-name=bitcoin-controller", "--lease-namespace=default"),
    )
    program = Program(argv=(sys.executable, "-c", _RUN), own=settings, commands={"run": "(?!)"})
    home = Path(ctrlkit.__file__).parent.parent
    return Image(
        pull=Pull(preloaded=True),  # as after a build on the node: articles run it with the pull policy Never
        programs={"/controller": program},
        entry="/controller",
        environment={"PYTHONPATH": str(home)},
    )


async def choose(wanted: str) -> Binary:
    """
    Select the nodes for `--bitcoind`: auto, real, simulated, or the path of a bitcoind.

    Errors  BadArgument if a path or $BITCOIND does not lead to a bitcoind; NoBitcoind for `real` if there is none.
    """
    match wanted:
        case NodeKind.SIMULATED:
            return _simulated("as asked for")
        case "auto" | NodeKind.REAL:
            explicit = None
        case _:
            explicit = wanted
    try:
        path = find_bitcoind(explicit)
        if path is None:
            return _without(wanted, "there is no bitcoind in $BITCOIND, on PATH or beside this Python")
        version, trouble = await _look_at(path)
        if trouble and wanted == AUTO:
            return _without(wanted, trouble)
        if trouble:
            raise BadArgument(f"run bitcoind: {trouble}; pass --bitcoind PATH of one that runs here, or simulated")
        return Binary(NodeKind.REAL, await real_bitcoind(path), f"real nodes: {path} ({version})")
    except BinaryNotFound as error:
        raise BadArgument(f"find bitcoind: {error}; --bitcoind simulated does without") from None


def _without(wanted: str, reason: str) -> Binary:
    if wanted != AUTO:
        raise NoBitcoind(f"find bitcoind: {reason}; run `make bitcoind`, or pass --bitcoind PATH")
    return _simulated(f"they take the place of real ones, because {reason} (`make bitcoind` fetches one)")


def _simulated(reason: str) -> Binary:
    return Binary(NodeKind.SIMULATED, simulated_bitcoind(warmup_s=0), f"simulated nodes: {reason}")


async def _look_at(path: Path) -> tuple[str, str]:
    """Return the version that a program says of itself, and why it cannot run as a node here; '' if it can."""
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            "-version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        return "", f"{path} cannot be started ({error.strerror})"
    try:
        async with asyncio.timeout(_VERSION_LIMIT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        return "", f"{path} does not tell its version"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or b"bitcoin" not in output.lower():
        return "", f"{path} is no bitcoind (`-version` ended with {process.returncode})"
    return output.decode(errors="replace").partition("\n")[0].strip(), ""
