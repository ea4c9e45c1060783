"""`ctrlkit apiserver`: an API server of one's own with a cluster's loops, for kubectl and for trying controllers."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ctrlkit.cli import Command
from ctrlkit.client import Client
from ctrlkit.clock import now
from ctrlkit.errors import ConfigError
from ctrlkit.telemetry import LogLevel, configure_logging
from fakes.apiserver.manifests import load
from fakes.apiserver.server import ApiServer
from fakes.cluster import Cluster, InProcessRuntime
from fakes.cluster.any_image import AnyImage
from fakes.tracker import Tracker, version_at


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run an API server that keeps everything in memory, with one node whose pods are ready whatever their image, "
        "though no process runs in them. The first line on stdout is 'ready URL'; SIGTERM or Ctrl-C ends it."
    )
    parser.add_argument(
        "manifests",
        nargs="*",
        type=Path,
        metavar="MANIFEST",
        help="YAML files whose objects are there from the start: first the CustomResourceDefinitions, then the others",
    )
    parser.add_argument("--port", type=_port, default=0, help="where to listen on 127.0.0.1; 0, the default: any free")
    parser.add_argument("--kubeconfig", type=Path, metavar="FILE", help="write a kubeconfig for the server here")


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: write a number from 0 to 65535")
    return port


def _run(arguments: argparse.Namespace) -> int:
    configure_logging(level=LogLevel.WARNING)
    asyncio.run(_serve(arguments.port, arguments.kubeconfig, arguments.manifests))
    return 0


async def _serve(port: int, kubeconfig: Path | None, manifests: Sequence[Path]) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    tracker = Tracker(begins_at=version_at(now()))
    load(tracker, manifests)
    async with (
        ApiServer(tracker, tracker.registry).serve(port=port) as server,
        InProcessRuntime(images=AnyImage()) as runtime,
        Cluster(Client(tracker), runtime),
    ):
        hint = ""
        if kubeconfig is not None:
            _write(server, kubeconfig)
            hint = f"try: kubectl --kubeconfig {kubeconfig} apply -f FILE\n"
        sys.stdout.write(f"ready {server.url}\n{hint}")
        sys.stdout.flush()
        try:
            await stopped.wait()
        finally:
            if kubeconfig is not None:
                _remove(server, kubeconfig)


def _write(server: ApiServer, kubeconfig: Path) -> None:
    try:
        server.write_kubeconfig(kubeconfig)
    except OSError as error:
        raise ConfigError(
            f"write the kubeconfig {kubeconfig}: {error.strerror}; name a file in a folder you can write to"
        ) from None


def _remove(server: ApiServer, kubeconfig: Path) -> None:
    """Take the kubeconfig away again, unless somebody else has written it meanwhile: it leads nowhere now."""
    with suppress(OSError):
        if kubeconfig.read_text(encoding="utf-8") == server.kubeconfig():
            kubeconfig.unlink()


COMMAND = Command(
    name="apiserver",
    help="run an API server in memory, for kubectl and for trying controllers; StatefulSets, pods, garbage collection "
    "and namespaces work as in a cluster, but no container runs a process",
    configure=_configure,
    run=_run,
)
