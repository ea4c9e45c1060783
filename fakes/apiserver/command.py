"""`ctrlkit apiserver`: an API server of one's own with a cluster's loops, for kubectl and for trying controllers."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from ctrlkit.cli import Command
from ctrlkit.client import Client
from ctrlkit.clock import now
from ctrlkit.errors import ApiError, ConfigError
from ctrlkit.fakes.apiserver.access import Security
from ctrlkit.fakes.apiserver.kubeconfig import is_our_kubeconfig
from ctrlkit.fakes.apiserver.server import ApiServer
from ctrlkit.fakes.clientset.clientset import seed
from ctrlkit.fakes.cluster import Cluster, InProcessRuntime
from ctrlkit.fakes.cluster.node.inprocess_runtime import AnyImage
from ctrlkit.fakes.tracker import Tracker, version_at
from ctrlkit.model import to_plain
from ctrlkit.telemetry import LogLevel, configure_logging


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run an API server that keeps everything in memory, with one node whose pods are ready whatever their image, "
        "though no process runs in them. The first line on stdout is 'ready URL'; SIGTERM or Ctrl-C ends it. The "
        "server speaks TLS and asks for a token, which only its kubeconfig holds."
    )
    parser.add_argument(
        "manifests",
        nargs="*",
        type=Path,
        metavar="MANIFEST",
        help="YAML files whose objects are there from the start: first the CustomResourceDefinitions, then the others",
    )
    parser.add_argument("--port", type=_port, default=0, help="where to listen on 127.0.0.1; 0, the default: any free")
    parser.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="write the server's kubeconfig here, for your eyes only; without it, into a folder for temporary files",
    )
    parser.add_argument(
        "--insecure",
        action="store_const",
        const=Security.INSECURE,
        default=Security.TLS,
        dest="security",
        help="plain HTTP without a token: every user and program of this machine may do everything on the server",
    )


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: write a number from 0 to 65535")
    return port


def _run(arguments: argparse.Namespace) -> int:
    configure_logging(level=LogLevel.WARNING)
    if arguments.security is Security.INSECURE:
        sys.stderr.write("--insecure: every user and program of this machine may do everything on this server\n")
    with _kubeconfig_at(arguments.kubeconfig) as kubeconfig:
        asyncio.run(_serve(arguments.port, kubeconfig, arguments.manifests, arguments.security))
    return 0


@contextmanager
def _kubeconfig_at(named: Path | None) -> Iterator[Path]:
    """Where the kubeconfig goes. Errors: ConfigError where another one is."""
    if named is None:
        with tempfile.TemporaryDirectory(prefix="ctrlkit-") as folder:  # for its owner only
            yield Path(folder, "kubeconfig")
        return
    _check_replaceable(named)
    yield named


def _check_replaceable(kubeconfig: Path) -> None:
    if not os.path.lexists(kubeconfig):
        return
    try:
        is_ours = kubeconfig.is_file() and is_our_kubeconfig(kubeconfig.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise ConfigError(
            f"write the kubeconfig {kubeconfig}: what is there leads to other servers, or is no kubeconfig; "
            "name another file"
        )


async def _serve(port: int, kubeconfig: Path, manifests: Sequence[Path], security: Security) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    tracker = Tracker(begins_at=version_at(now()))
    load_manifests(tracker, manifests)
    async with (
        ApiServer(tracker, tracker.registry, security=security).serve(port=port) as server,
        InProcessRuntime(images=AnyImage()) as runtime,
        Cluster(Client(tracker, field_manager="cluster"), runtime),
    ):
        _write(server, kubeconfig)
        sys.stdout.write(f"ready {server.url}\ntry: kubectl --kubeconfig {kubeconfig} apply -f FILE\n")
        sys.stdout.flush()
        try:
            await stopped.wait()
        finally:
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
    with suppress(OSError, UnicodeDecodeError):
        if kubeconfig.read_text(encoding="utf-8") == server.kubeconfig():
            kubeconfig.unlink()


COMMAND = Command(
    name="apiserver",
    help="run an API server in memory, for kubectl and for trying controllers; StatefulSets, pods, garbage collection "
    "and namespaces work as in a cluster, but no container runs a process",
    configure=_configure,
    run=_run,
)


def load_manifests(tracker: Tracker, paths: Iterable[Path]) -> int:
    """
    Put the objects of YAML or JSON files into a tracker, in their order; returns how many.

    Shape   A file holds one object or several, apart by `---`; empty ones are passed over. Definitions stand before
            what is defined by them, as for kubectl. Without a namespace, objects of namespaced kinds are in `default`.
    Errors  ConfigError for a file that cannot be read or does not hold objects, and for an object that a server would
            refuse; it names the file and the object.
    """
    count = 0
    for path in paths:
        for number, item in enumerate(_documents(path), start=1):
            what = f"create object {number} of {path}"
            if not isinstance(item, dict):
                fact = f"it is of type {type(item).__name__}"
                raise ConfigError(f"{what}: {fact}; write a mapping with apiVersion and kind")
            try:
                seed(tracker, _placed(tracker, item))
            except (ApiError, ValueError) as error:
                raise ConfigError(f"{what}: {error}") from None
            count += 1
    return count


def _documents(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8") as file:
            yield from (item for item in yaml.safe_load_all(file) if item is not None)
    except OSError as error:
        raise ConfigError(f"read the manifest {path}: {error.strerror}; name a file of YAML or JSON") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"read the manifest {path}: it is no YAML: {reason}") from None


def _placed(tracker: Tracker, item: dict[str, Any]) -> dict[str, Any]:
    """The object, in the namespace `default` where it needs one and names none."""
    served = tracker.registry.find_kind(str(item.get("apiVersion", "")), str(item.get("kind", "")))
    body: dict[str, Any] = to_plain(item)
    metadata = body.get("metadata")
    if served is not None and served.resource.namespaced and isinstance(metadata, dict):
        metadata.setdefault("namespace", "default")
    return body
