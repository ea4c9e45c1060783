"""
`ctrlkit rbac [TESTS ...]`: runs tests, and prints the least roles for what the managers in their worlds did.

    ctrlkit rbac tests --name greeter --namespace greeter > rbac.yaml
    ctrlkit rbac tests --check deploy/rbac.yaml
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from ctrlkit.cli import Command

_EPILOG: Final = """\
examples:
  ctrlkit rbac tests --name greeter --namespace greeter > rbac.yaml
  ctrlkit rbac tests --check deploy/rbac.yaml

The tests run with pytest; what they print goes to standard error. What the program does in its own namespace
alone is in a Role there, all else is in a ClusterRole: bind it by RoleBindings for a program that is limited to some
namespaces.
exit status: that of pytest; 1 too where the roles of the file lack something, or there are none to print.
Where tests fail nothing is printed to standard output.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    parser.add_argument("tests", metavar="TESTS", nargs="*", help="what pytest is to run; by default what it finds")
    parser.add_argument("--check", metavar="FILE", help="say what the roles in a file lack, and print nothing")
    parser.add_argument("--name", metavar="NAME", default="controller", help="what the roles are called [controller]")
    parser.add_argument("--namespace", metavar="NAME", default="default", help="the program's own namespace [default]")
    parser.add_argument(
        "--manager", metavar="NAME", default="", help="look at those of world.manage(..., name=NAME) alone"
    )


def _run(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rbac.yaml"
        options = [
            f"--rbac-check={arguments.check}" if arguments.check else f"--rbac-write={target}",
            f"--rbac-name={arguments.name}",
            f"--rbac-namespace={arguments.namespace}",
            f"--rbac-manager={arguments.manager}",
        ]
        command = [sys.executable, "-m", "pytest", "-q", *options, *arguments.tests]
        status = subprocess.run(command, stdout=sys.stderr.fileno(), check=False).returncode
        if arguments.check:
            return status
        if status or not target.exists():
            why = "the run failed" if status else "no manager asked for anything"
            sys.stderr.write(f"ctrlkit rbac: no roles are printed: {why}, as told above\n")
            return status or 1
        sys.stdout.write(target.read_text(encoding="utf-8"))
    return status


COMMAND: Final = Command(
    name="rbac", help="make the least roles of what a controller does in its tests", configure=_configure, run=_run
)
