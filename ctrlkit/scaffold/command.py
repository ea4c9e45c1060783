"""
`ctrlkit init NAME`: a new project with one kind and its controller, that tests, runs, and is ready for a cluster.

    ctrlkit init cache-operator --group example.com --webhook
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from ctrlkit.cli import Command, installed_version
from ctrlkit.errors import ConfigError
from ctrlkit.scaffold.folder import make_folder
from ctrlkit.scaffold.names import GROUP, Names, names_of
from ctrlkit.scaffold.project import LICENSES, render

_EPILOG: Final = """\
examples:
  ctrlkit init cache-operator
  ctrlkit init http-route-operator --kind HTTPRoute --group net.example.com --webhook
  ctrlkit init cache-operator --dir work/cache

The project is in a new folder of its name. Nothing is written over: files that are in the way are named, and nothing is
made. It needs no network and no git.
exit status: 0, 1 for an error, 2 for bad arguments.
"""

_QUIETLY: Final = ("--quiet", "--no-cache", "--no-respect-gitignore")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    parser.add_argument("name", metavar="NAME", help="the project, such as cache-operator")
    parser.add_argument("--kind", metavar="KIND", default="", help="the kind; by default found in the name, here Cache")
    parser.add_argument("--plural", metavar="PLURAL", default="", help="many of the kind, here caches")
    parser.add_argument("--group", metavar="GROUP", default=GROUP, help=f"the API group, a domain of yours [{GROUP}]")
    parser.add_argument("--webhook", action="store_true", help="with webhooks that complete and check objects")
    parser.add_argument("--license", choices=LICENSES, help="with a file LICENSE")
    parser.add_argument("--dir", metavar="DIR", default="", help="the folder; by default NAME")


def _run(arguments: argparse.Namespace) -> int:
    names = names_of(arguments.name, kind=arguments.kind, group=arguments.group, plural=arguments.plural)
    texts = render(names, version=installed_version(), webhook=arguments.webhook, license_name=arguments.license or "")
    target = Path(arguments.dir or names.project)
    make_folder(target, texts, _complete)
    sys.stdout.write(_report(target, names))
    return 0


def _complete(folder: Path) -> None:
    """Put the code into ruff's form, as lines are longer with some names, and make the manifests of it."""
    _call(folder, "ruff", "check", *_QUIETLY, "--select=I,RUF022", "--fix", ".")
    _call(folder, "ruff", "format", *_QUIETLY, ".")
    _call(folder, "ctrlkit", "manifests")


def _call(folder: Path, module: str, *arguments: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"it ended with status {done.returncode}"]
        raise ConfigError(f"make a project: {module} {' '.join(arguments)}: {said[-1]}; nothing was made")


def _report(target: Path, names: Names) -> str:
    """What was made, and what to do next, with the commands of this environment: it may have to be activated."""
    here = Path(sys.executable).parent
    found = shutil.which("ctrlkit")
    lines = [f"made {target}, for the kind {names.kind} ({names.definition})", "", "next:"]
    if found is None or Path(found).parent != here:
        lines.append(f"  . {here / 'activate'}")
    lines += [f"  cd {target}", "  make test    # no cluster is needed", "  make run     # on an API server in memory"]
    return "".join(f"{line}\n" for line in lines)


COMMAND: Final = Command(
    name="init", help="make a new project: a kind, its controller, tests", configure=_configure, run=_run
)
