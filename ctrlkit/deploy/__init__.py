"""
What runs a program in a cluster, made from one description: a kustomize base and a Helm chart.

    program = load_program(".")                 # [tool.ctrlkit] of pyproject.toml
    described = describe(program)               # with what its modules and its file of roles say
    write(files_of(described), "deploy")        # deploy/kustomize, deploy/chart
    objects_of(described)                       # the objects themselves, as dicts

`ctrlkit manifests` does this. A program that runs does not need this package.
"""

from __future__ import annotations

from ctrlkit.deploy.description import Description, describe, description_of
from ctrlkit.deploy.files import Change, Difference, differences, files_of, write
from ctrlkit.deploy.objects import objects_of
from ctrlkit.deploy.program import Program, Resources, load_program, program_of
from ctrlkit.deploy.rights import Rights

__all__ = [
    "Change",
    "Description",
    "Difference",
    "Program",
    "Resources",
    "Rights",
    "describe",
    "description_of",
    "differences",
    "files_of",
    "load_program",
    "objects_of",
    "program_of",
    "write",
]
