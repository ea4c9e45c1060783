"""Runs `ctrlkit apiserver`: an in-memory API server and cluster, for kubectl and for trying controllers."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ctrlkit.client import Client
from ctrlkit.clock import now
from ctrlkit.errors import ConfigError
from ctrlkit.fakes.apiserver.access import Security
from ctrlkit.fakes.apiserver.clients import NO_CLIENTS, Clients
from ctrlkit.fakes.apiserver.kubeconfig import is_answered, is_our_kubeconfig
from ctrlkit.fakes.apiserver.server import ApiServer
from ctrlkit.fakes.apiserver.webhook_client import HttpsWebhooks
from ctrlkit.fakes.clientset.seeding import seed
from ctrlkit.fakes.cluster import ALL, Cluster, ImageRuntime, Loop
from ctrlkit.fakes.cluster.loops.provisioner import make_class
from ctrlkit.fakes.cluster.node.declarations import Nodes
from ctrlkit.fakes.cluster.node.images import Images
from ctrlkit.fakes.cluster.node.images.common import COMMON_IMAGES
from ctrlkit.fakes.manifests import read_manifests
from ctrlkit.fakes.releases import NEWEST
from ctrlkit.fakes.releases.simulated import LeftUndone
from ctrlkit.fakes.tracker import Tracker, version_at
from ctrlkit.fakes.tracker.admission import DEFAULT_PLUGINS
from ctrlkit.fakes.tracker.furniture import furnish
from ctrlkit.model import AnyResource
from ctrlkit.telemetry import LogLevel, configure_logging, logger

STOP_S = 1.0
"""How long it takes to stop a pod: kubectl waits for that, and would miss the end of one that is replaced at once."""

_log = logger("apiserver")


def serve(
    port: int,
    kubeconfig: Path | None,
    manifests: Sequence[Path],
    security: Security,
    release: str = NEWEST,
    *,
    plugins: frozenset[str] = DEFAULT_PLUGINS,
    rbac: bool = False,
    clients: Clients = NO_CLIENTS,
    services: Mapping[str, str] = {},
    loops: frozenset[Loop] = ALL,
    nodes: Nodes = 1,
    images: Images | None = None,
) -> None:
    """
    Serve a Kubernetes release until SIGTERM or SIGINT, with the objects of the manifests from the start.

    With `rbac` it is asked who may do what; `clients` are users besides the administrator and service accounts.
    `loops` are those of the cluster, `nodes` those that it has; `images` says what containers do.
    Shape   `services` leads from the `namespace/name:port` of Services that webhooks name to the `host:port` of what
            listens.
    Errors  ConfigError for a kubeconfig or manifests that cannot be used.
    """
    configure_logging(level=LogLevel.WARNING)
    if security is Security.INSECURE:
        sys.stderr.write("--insecure: every user and program of this machine may do everything on this server\n")
    with _kubeconfig_at(kubeconfig) as path:
        tracker = Tracker(begins_at=version_at(now()), server=release, plugins=plugins, rbac=rbac)
        tracker.webhooks = HttpsWebhooks(services)
        with_clients = functools.partial(ApiServer, tracker, tracker.registry, security=security, clients=clients)
        asyncio.run(_serve(port, path, manifests, with_clients, tracker, loops=loops, nodes=nodes, images=images))


@contextmanager
def _kubeconfig_at(named: Path | None) -> Iterator[Path]:
    """Yield the path for the kubeconfig. Errors: ConfigError if there is another file."""
    if named is None:
        with tempfile.TemporaryDirectory(prefix="ctrlkit-") as folder:  # for its owner only
            yield Path(folder, "kubeconfig")
        return
    _check_replaceable(named)
    yield named


def _check_replaceable(kubeconfig: Path) -> None:
    if not os.path.lexists(kubeconfig):
        return
    text: str | None = None
    try:
        text = kubeconfig.read_text(encoding="utf-8") if kubeconfig.is_file() else None
        is_ours = text is not None and is_our_kubeconfig(text)
    except (OSError, UnicodeDecodeError):
        is_ours = False
    if not is_ours:
        raise ConfigError(
            f"write the kubeconfig {kubeconfig}: what is there leads to other servers, or is no kubeconfig; "
            "name another file"
        )
    if is_answered(text or ""):
        raise ConfigError(
            f"write the kubeconfig {kubeconfig}: the server that it leads to runs still; use that one, end it, or name "
            "another file"
        )


async def _serve(
    port: int,
    kubeconfig: Path,
    manifests: Sequence[Path],
    make: Callable[..., ApiServer],
    tracker: Tracker,
    *,
    loops: frozenset[Loop],
    nodes: Nodes,
    images: Images | None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    release = tracker.registry.release
    furnish(tracker)
    if Loop.PROVISIONER in loops:
        make_class(tracker)
    load_manifests(tracker, manifests)
    async with (
        make(made=_telling(loops)).serve(port=port) as server,
        ImageRuntime(images={**COMMON_IMAGES, **(images or {})}) as runtime,
        Cluster(
            Client(tracker),
            runtime,
            loops=loops,
            nodes=nodes,
            root_ca=server.root_ca,
            server=release,
            tracker=tracker,
            stop_s=STOP_S,
        ),
    ):
        tracker.run_pods_with(runtime)
        _check_replaceable(kubeconfig)  # another server may have begun at the same time
        _write(server, kubeconfig)
        sys.stdout.write(f"ready {server.url}\ntry: kubectl --kubeconfig {kubeconfig} apply -f FILE\n")
        sys.stdout.flush()
        try:
            await stopped.wait()
        finally:
            _remove(server, kubeconfig)


def _telling(loops: Collection[Loop]) -> Callable[[AnyResource], None]:
    """Return a function that logs once of each kind whose loop does not run, when an object of it is made."""
    left_undone = LeftUndone({loop.value for loop in loops})

    def tell(resource: AnyResource) -> None:
        does = left_undone.of(str(resource))
        if does:
            _log.warning("loop_missing", kind=str(resource), cluster=does, see="docs/simulated.md")

    return tell


def _write(server: ApiServer, kubeconfig: Path) -> None:
    try:
        server.write_kubeconfig(kubeconfig)
    except OSError as error:
        raise ConfigError(
            f"write the kubeconfig {kubeconfig}: {error.strerror}; name a file in a folder you can write to"
        ) from None


def _remove(server: ApiServer, kubeconfig: Path) -> None:
    """Remove the kubeconfig, which is of no use any more, unless another program has replaced it."""
    with suppress(OSError, UnicodeDecodeError):
        if kubeconfig.read_text(encoding="utf-8") == server.kubeconfig():
            kubeconfig.unlink()


def load_manifests(tracker: Tracker, paths: Iterable[Path]) -> None:
    """
    Put the objects of YAML or JSON files, and of folders of them, into a tracker; see ctrlkit.fakes.clientset.seeding.

    Errors  ConfigError, naming the file and the object, for a file that cannot be read or does not hold objects, and
            for an object that a server would refuse.
    """
    seed(tracker, *(manifest for path in paths for manifest in read_manifests(path)))
