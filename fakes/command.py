"""`ctrlkit apiserver`: an API server of one's own with a cluster's loops, for kubectl and for trying controllers."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from ctrlkit.cli import Command
from ctrlkit.cli.parent import OPTION, end_with_parent
from ctrlkit.errors import ConfigError
from ctrlkit.extras import require
from ctrlkit.fakes.releases import NAMES, NEWEST


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run an API server that keeps everything in memory, with nodes whose pods are ready whatever their image, "
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
        "--server",
        choices=NAMES,
        default=NEWEST,
        help=f"the Kubernetes release whose API server this is; {NEWEST} unless given",
    )
    parser.add_argument(
        "--rbac",
        action="store_true",
        help="ask who may do what: users, service accounts and those whom they act as may do what roles and bindings "
        "allow; the user of the kubeconfig is an administrator",
    )
    parser.add_argument(
        "--token-auth-file",
        type=Path,
        metavar="FILE",
        help='users with tokens of their own, in lines token,user,uid,"group,group", as kube-apiserver reads them',
    )
    parser.add_argument(
        "--client-ca-file",
        type=Path,
        metavar="FILE",
        help="the authority whose client certificates name users: the common name, and the organizations as groups",
    )
    for verb in ("enable", "disable"):
        parser.add_argument(
            f"--{verb}-admission-plugins",
            type=_names,
            default=frozenset(),
            metavar="NAMES",
            help=f"admission plug-ins to {verb} besides the default, by Kubernetes' names, with commas between them",
        )
    parser.add_argument(
        "--service-address",
        type=_service,
        action="append",
        default=[],
        metavar="NAMESPACE/NAME:PORT=HOST:PORT",
        help="where on this machine the Service listens that a webhook configuration names; may be given several times",
    )
    parser.add_argument(
        "--nodes",
        type=_count,
        default=None,
        metavar="NUMBER",
        help="how many nodes the cluster has: ctrlkit-node, the default, or n1, n2 and so on",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FILE",
        help="what the containers of images do, in YAML or JSON; those of other images run until they are stopped, or "
        "run the small script of their command",
    )
    parser.add_argument(
        "--loops",
        type=_names,
        default=frozenset({"all"}),
        metavar="NAMES",
        help="which of a cluster's controllers run: all, none, or their names with commas between them; a wrong name "
        "is answered with the list",
    )
    parser.add_argument(
        "--insecure",
        action="store_true",
        help="plain HTTP without a token: every user and program of this machine may do everything on the server",
    )
    parser.add_argument(OPTION, action="store_true", help=argparse.SUPPRESS)  # of `ctrlkit run --apiserver`


def _port(text: str) -> int:
    port = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: write a number from 0 to 65535")
    return port


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is no number of nodes: write one such as 3")
    return int(text)


def _service(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"([^/:=]+/[^/:=]+)(:\d+)?=(.+:\d+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no address: write namespace/name:port=127.0.0.1:8443")
    return found[1] + (found[2] or ":443"), found[3]


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.split(",") if name)


def _run(arguments: argparse.Namespace) -> int:
    require("fakes", "apiserver")
    if arguments.with_parent:
        end_with_parent()
    from ctrlkit.fakes.apiserver.access import Security  # noqa: PLC0415 - who asks for help needs no server
    from ctrlkit.fakes.apiserver.clients import read_clients  # noqa: PLC0415
    from ctrlkit.fakes.apiserver.serving import serve  # noqa: PLC0415
    from ctrlkit.fakes.cluster.cluster import Loop, loops_named  # noqa: PLC0415
    from ctrlkit.fakes.cluster.node.declarations import declared  # noqa: PLC0415
    from ctrlkit.fakes.cluster.node.images.files import read_images  # noqa: PLC0415
    from ctrlkit.fakes.tracker.admission import DEFAULT_PLUGINS, check_plugins  # noqa: PLC0415

    enabled, disabled = arguments.enable_admission_plugins, arguments.disable_admission_plugins
    try:
        check_plugins(enabled | disabled)
        loops = loops_named(arguments.loops)
        nodes = declared(1 if arguments.nodes is None else arguments.nodes)
        if arguments.nodes and Loop.KUBELET not in loops:
            raise ValueError(f"--nodes {arguments.nodes}: no kubelet runs that plays them; name kubelet in --loops too")
        if arguments.images and Loop.KUBELET not in loops:
            raise ValueError(f"--images {arguments.images}: no kubelet runs them; name kubelet in --loops too")
    except ValueError as error:
        raise ConfigError(str(error)) from None
    security = Security.INSECURE if arguments.insecure else Security.TLS
    plugins = (DEFAULT_PLUGINS | enabled) - disabled
    serve(
        arguments.port,
        arguments.kubeconfig,
        arguments.manifests,
        security,
        arguments.server,
        plugins=plugins,
        rbac=arguments.rbac,
        clients=read_clients(arguments.token_auth_file, arguments.client_ca_file),
        services=dict(arguments.service_address),
        loops=loops,
        nodes=nodes,
        images=read_images(arguments.images) if arguments.images else None,
    )
    return 0


COMMAND = Command(
    name="apiserver",
    help="run an API server in memory, for kubectl and for trying controllers; StatefulSets, pods, garbage collection "
    "and namespaces work as in a cluster; of containers only declared images run processes",
    configure=_configure,
    run=_run,
)
