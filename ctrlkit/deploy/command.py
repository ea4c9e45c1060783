"""
`ctrlkit manifests`: what runs a program in a cluster, as a kustomize base and a Helm chart.

The program is described in the pyproject.toml of a folder; what its code says comes from its modules.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Final

from ctrlkit.cli import Command
from ctrlkit.crd.differences import unconverted
from ctrlkit.crd.manifest import to_yaml
from ctrlkit.deploy.description import Description, describe
from ctrlkit.deploy.files import Change, differences, files_of, write
from ctrlkit.deploy.objects import objects_of
from ctrlkit.deploy.program import load_program

_EPILOG: Final = """\
examples:
  ctrlkit manifests                                 # write deploy/kustomize and deploy/chart
  ctrlkit manifests --check                         # say where they are not what the code says
  ctrlkit manifests --print | kubectl apply -f -    # the objects of the kustomize base
  kubectl apply -k deploy/kustomize/base
  helm install greeter deploy/chart --namespace greeter --create-namespace

The table [tool.ctrlkit] of pyproject.toml describes the program: docs/deploying.md lists its keys. The roles come from
deploy/rbac.yaml, which `ctrlkit rbac TESTS` makes.
exit status: 0; 1 where --check found a difference, or for an error; 2 for bad arguments.
"""
_VERBS: Final = {Change.NEW: "wrote", Change.CHANGED: "wrote", Change.OBSOLETE: "removed"}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.allow_abbrev = False
    parser.add_argument("--project", metavar="DIR", default=".", help="the folder with pyproject.toml [.]")
    parser.add_argument("--into", metavar="DIR", help="where they are written, or compared, in place of `folder`")
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument("--check", action="store_true", help="write nothing, and say what differs")
    one_of.add_argument("--print", action="store_true", help="write nothing, and print the objects as YAML")


def _run(arguments: argparse.Namespace) -> int:
    project = Path(arguments.project)
    program = load_program(project)
    folder = Path(arguments.into) if arguments.into else project / program.folder
    with contextlib.chdir(project):
        described = describe(program)
    tell_unconverted(described)
    if arguments.print:
        sys.stdout.write(to_yaml(*objects_of(described)))
        return 0
    files = files_of(described)
    if arguments.check:
        found = differences(files, folder)
        sys.stdout.writelines(f"{folder / one.path}: {one.fact}\n" for one in found)
        if not found:
            sys.stdout.write(f"{folder}: its {len(files)} files are what the code says\n")
        return 1 if found else 0
    for one in write(files, folder):
        sys.stdout.write(f"{_VERBS[one.change]} {folder / one.path}\n")
    return 0


def tell_unconverted(described: Description) -> None:
    """Say which fields a server would drop, as nothing converts between the versions of a kind."""
    for definition in described.definitions:
        name = definition["metadata"]["name"]
        for version, one in unconverted(definition) if name not in described.webhooks.converted else ():
            sys.stderr.write(f"warning: {name} {version} {one.path}: {one.fact}\n")


COMMAND: Final = Command(
    name="manifests",
    help="make what runs a program in a cluster: kustomize base and Helm chart",
    configure=_configure,
    run=_run,
)
