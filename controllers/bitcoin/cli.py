"""
The command `bitcoin-controller`: run, upgrade, demo, manifests.

Exit status: 0, for `demo` only if every step succeeded; 1 for an error, reported in one line on stderr, or a failed
step; 2 for bad arguments; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ctrlkit.bitcoin.manifests import NAMES, manifests
from ctrlkit.bitcoin.rpc import RpcError
from ctrlkit.bitcoin.rules import NODES_MAX
from ctrlkit.cli import VersionAction
from ctrlkit.exits import exit_status
from ctrlkit.extras import require
from ctrlkit.library_logs import libraries_heard
from ctrlkit.manager.settings import Settings, settings_known, tell_unknown_variables
from ctrlkit.manager.settings_sources import add_flags
from ctrlkit.model import ObjectKey
from ctrlkit.telemetry import LogFormat, LogLevel, configure_logging

PROG: Final = "bitcoin-controller"
_BLOCKS_MAX: Final = 10_000
_BAD_ARGUMENTS: Final = 2

_MAIN_EPILOG: Final = """\
examples:
  bitcoin-controller demo                                   see all of it work, on this machine, without a cluster
  bitcoin-controller manifests crd | kubectl apply -f -     install the kind BitcoinNetwork
  bitcoin-controller run                                    run the controller here, for the cluster of your kubeconfig

'bitcoin-controller COMMAND --help' tells what a command does and takes.
"""
_RUN_EPILOG: Final = """\
examples:
  bitcoin-controller run
  bitcoin-controller run --kubeconfig ~/.kube/test --context kind-test --namespaces dev,test
  CTRLKIT_LOG_LEVEL=debug bitcoin-controller run --leader-elect --lease-name bitcoin-controller --lease-namespace dev

The kind must be installed (bitcoin-controller manifests crd | kubectl apply -f -), and the nodes' pods must be
reachable from where this runs. SIGTERM and Ctrl-C let running work finish; a second one ends it at once. Log lines go
to stderr; http://127.0.0.1:8080/debug shows what goes on. Networks of version v1 are converted at port 9443, where the
server must reach this machine (--webhooks-url says by which way); --webhooks-address off where nobody uses v1 any more.
exit status: 0 after SIGTERM or Ctrl-C, 1 for an error, 2 for bad arguments.
"""
_UPGRADE_EPILOG: Final = """\
examples:
  bitcoin-controller upgrade my-network -n default --dry-run      what would be done
  bitcoin-controller upgrade my-network -n default

A network made before v2 keeps its old pods, without storage, until this is run. The controller has to be of v2, and to
run; it replaces the pods one by one, while a majority of the nodes stays at the tip. The command can be ended with
Ctrl-C and run again at any point.

What it needs to be allowed, in the network's namespace: get bitcoinnetworks; get, patch and delete statefulsets; list
and patch pods (delete, with --lose-chain); list and delete controllerrevisions; get, create and patch secrets. The
server has to be of Kubernetes 1.27 or newer, which a dry run of a patch shows.
exit status: 0 if all is upgraded or there was nothing to do, 1 for an error, 2 for bad arguments, 130 after Ctrl-C.
"""
_MANIFESTS_EPILOG: Final = """\
examples:
  bitcoin-controller manifests crd | kubectl apply -f -                       the kind, first: kubectl looks it up
  bitcoin-controller manifests rbac secret deployment | kubectl apply -f -    the controller in the cluster
  bitcoin-controller manifests network | kubectl apply -f -                   a network of three nodes
  bitcoin-controller manifests > install.yaml

The deployment runs an image that is built in the repository's folder, and goes to where the cluster finds it:
  docker build -f controllers/bitcoin/deploy/Dockerfile -t bitcoin-controller:0.1.0 .
"""
_DEMO_EPILOG: Final = """\
examples:
  bitcoin-controller demo
  bitcoin-controller demo --nodes 5 --blocks 10 --bitcoind simulated
  bitcoin-controller demo --keep                            stays up for kubectl, until Ctrl-C
  bitcoin-controller demo --output json | tail -1 | python3 -m json.tool
  bitcoin-controller demo --kubeconfig F --with-kubelet     on a control plane without nodes, such as envtest

The embedded server listens on 127.0.0.1 only, and nodes get addresses of their own in 127.0.0.0/8. The server speaks
TLS and asks for a token, which only its kubeconfig holds, and the nodes' password is drawn anew. However the demo ends,
nothing is left running or on disk. Pods of simulated nodes on the embedded server have no startup probe, and are asked
whether they are ready from the start and then each second, to save your time.
exit status: 0 if every step held, 1 if one did not or there was an error, 2 for bad arguments; 130 after a Ctrl-C
that came before the end.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of this process, and return the exit status."""
    return exit_status(PROG, lambda: _run_command(argv), foreseen=(RpcError,))


def _run_command(argv: Sequence[str] | None) -> int:
    arguments = command_line().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run(arguments)


# ---- the commands ---------------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    from ctrlkit.bitcoin.run import run  # noqa: PLC0415 - half a second that --help does not pay for

    settings = Settings.load(arguments)
    configure_logging(settings.log_format, settings.log_level)
    libraries_heard()
    tell_unknown_variables()
    asyncio.run(run(settings, workers=arguments.workers))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    # A controller in a cluster runs without the fakes, so they are imported only here.
    require("bitcoin", "demo")
    from ctrlkit.bitcoin.demo.command import DemoOptions, Output, demo  # noqa: PLC0415

    configure_logging(LogFormat.CONSOLE, LogLevel.INFO if arguments.verbose else LogLevel.ERROR)
    options = DemoOptions(
        nodes=arguments.nodes,
        most=arguments.scale_to,
        blocks=arguments.blocks,
        bitcoind=arguments.bitcoind,
        keep=arguments.keep,
        empty=arguments.empty,
        output=Output(arguments.output),
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        with_kubelet=arguments.with_kubelet,
        port=arguments.port,
        verbose=arguments.verbose,
    )
    gc.freeze()  # what was imported stays, and what a demo leaves behind is little: it is looked for seldom
    gc.set_threshold(20_000, 20, 100)
    return asyncio.run(demo(options))


def _upgrade(arguments: argparse.Namespace) -> int:
    configure_logging(LogFormat.CONSOLE, LogLevel.ERROR)
    asyncio.run(_upgraded(arguments))
    return 0


async def _upgraded(arguments: argparse.Namespace) -> None:
    from ctrlkit.bitcoin.upgrade import planned, upgrade  # noqa: PLC0415 - as in _run
    from ctrlkit.manager import connect  # noqa: PLC0415
    from ctrlkit.wire.config import default_namespace  # noqa: PLC0415

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    of_context = {"kubeconfig": arguments.kubeconfig, "context": arguments.context}
    key = ObjectKey(arguments.namespace or default_namespace(**of_context), arguments.network)
    # in the name of the controller, which has the fields of what is written afterwards
    connection = connect(**of_context, field_manager=PROG)
    async with connection as client:
        if arguments.dry_run:
            for line in await planned(client, key, lose_chain=arguments.lose_chain):
                say(line)
        else:
            await upgrade(client, key, say=say, timeout_s=arguments.timeout, lose_chain=arguments.lose_chain)


def _manifests(arguments: argparse.Namespace) -> int:
    sys.stdout.write(manifests(arguments.names or NAMES))
    return 0


# ---- their arguments ------------------------------------------------------------------------------------------------


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line; its result has `run`, the function to call with it."""
    parser = argparse.ArgumentParser(
        prog=PROG,
        description="Keeps networks of bitcoin nodes on Kubernetes: for each object of kind BitcoinNetwork nodes that "
        "are connected with each other, with chains that outlive their pods.",
        epilog=_MAIN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=VersionAction)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_upgrade(commands)
    _add_demo(commands)
    _add_manifests(commands)
    return parser


def _manifest_name(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"there is no manifest {text!r}; choose from {', '.join(NAMES)}")
    return text


def _add_manifests(commands: Any) -> None:
    what = "print the YAML that installs kind, roles and controller"
    parser = _command(commands, "manifests", what, _MANIFESTS_EPILOG)
    text = f"which of {', '.join(NAMES)}; all where none is named"
    parser.add_argument("names", nargs="*", type=_manifest_name, metavar="NAME", help=text)
    parser.set_defaults(run=_manifests)


def _add_run(commands: Any) -> None:
    parser = _command(commands, "run", "run the controller for a cluster, until SIGTERM or Ctrl-C", _RUN_EPILOG)
    parser.add_argument(
        "--workers",
        type=_number(1, 100),
        default=5,
        metavar="N",
        help="how many networks are worked on at a time (default: %(default)s)",
    )
    add_flags(parser, settings_known().values())
    parser.set_defaults(run=_run)


def _add_upgrade(commands: Any) -> None:
    what = "give a network made before v2 the layout of today, with storage, pod by pod"
    parser = _command(commands, "upgrade", what, _UPGRADE_EPILOG)
    parser.add_argument("network", metavar="NETWORK", help="the name of the network")
    text = "its namespace; without it that of the context, as kubectl does"
    parser.add_argument("-n", "--namespace", metavar="NAME", help=text)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
    parser.add_argument(
        "--lose-chain",
        action="store_true",
        help="upgrade also where the chain is lost: a network of one node, or nodes that are not at the tip",
    )
    parser.add_argument(
        "--timeout",
        type=_number(1, 7 * 24 * 3600),
        default=3600,
        metavar="SECONDS",
        help="how long to wait for the end; the controller goes on without this command (default: %(default)s)",
    )
    parser.add_argument("--kubeconfig", metavar="FILE", type=_path, help="the kubeconfig; without it as kubectl does")
    parser.add_argument("--context", metavar="NAME", help="the context in it; without it the current one")
    parser.set_defaults(run=_upgrade)


def _add_demo(commands: Any) -> None:
    what = "take a network through its whole life on this machine, each step checked"
    parser = _command(commands, "demo", what, _DEMO_EPILOG)
    parser.add_argument(
        "--nodes",
        type=_number(2, NODES_MAX - 1),
        default=3,
        metavar="N",
        help="how many nodes the network has (default: %(default)s)",
    )
    parser.add_argument(
        "--scale-to",
        type=_number(3, NODES_MAX),
        metavar="N",
        help="how many nodes it is scaled up to (default: four times as many as --nodes, or as many as this machine "
        "has loopback addresses for)",
    )
    parser.add_argument(
        "--blocks",
        type=_number(1, _BLOCKS_MAX),
        default=101,
        metavar="N",
        help="how many blocks node 0 mines (default: %(default)s)",
    )
    parser.add_argument(
        "--bitcoind",
        default="auto",
        metavar="auto|real|simulated|PATH",
        help="what the nodes are: a real bitcoind found in $BITCOIND, on PATH or beside this Python; simulated ones; "
        "the bitcoind at PATH; auto, the default, is real where possible",
    )
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, and say what to try with kubectl")
    parser.add_argument(
        "--empty",
        action="store_true",
        help="play nothing: only run the cluster, whose pods run nodes and this controller, for somebody with kubectl",
    )
    parser.add_argument(
        "--output",
        choices=["text", "json"],
        default="text",
        help="json prints one object as the last line of stdout, and progress on stderr (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=_number(0, 65535),
        default=0,
        metavar="PORT",
        help="where the embedded API server listens on 127.0.0.1; 0, the default, is any free port",
    )
    text = "play on this server instead of the embedded one; what is made there is deleted at the end"
    parser.add_argument("--kubeconfig", metavar="FILE", type=_path, help=text)
    parser.add_argument("--context", metavar="NAME", help="the context in it; without it the current one")
    parser.add_argument(
        "--with-kubelet",
        action="store_true",
        help="with --kubeconfig, for control planes without nodes: run a node there, and the loops for StatefulSets, "
        "garbage and namespaces where no controller manager does",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="the log of the controller on stderr")
    parser.set_defaults(run=lambda arguments: _demo(_checked(parser, arguments)))


def _checked(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> argparse.Namespace:
    """Arguments that fit each other; else argparse's own error."""
    if arguments.kubeconfig is None and (arguments.with_kubelet or arguments.context is not None):
        parser.error("--with-kubelet and --context are for a server that is there: add --kubeconfig FILE")
    if arguments.scale_to is not None and arguments.scale_to <= arguments.nodes:
        parser.error(f"--scale-to: must be more than the {arguments.nodes} nodes of --nodes, got {arguments.scale_to}")
    if arguments.empty and arguments.kubeconfig is not None:
        parser.error("--empty is for the embedded cluster, which --kubeconfig replaces: leave one of them out")
    if arguments.kubeconfig is not None and arguments.port:
        parser.error("--port is for the embedded server, which --kubeconfig replaces: leave one of them out")
    return arguments


def _command(commands: Any, name: str, text: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --namespace is no short form of --namespaces: of several, one would count
    )
    return parser


def _path(text: str) -> str:
    return str(Path(text).expanduser())


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be from {least} to {most}, got {number}")
        return number

    return read


if __name__ == "__main__":
    sys.exit(main())
