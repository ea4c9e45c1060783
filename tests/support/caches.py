"""A program with kinds of its own, described for tests of what runs it in a cluster."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ctrlkit import Definition, ObjectMeta, Scope, custom_resource
from ctrlkit.deploy import Description, Program, description_of


class Spec(msgspec.Struct, frozen=True):
    """What a user wants; a description may have {{ braces }} and 'quotes'."""

    size: Annotated[int, Meta(ge=0)] = 1


class Cache(msgspec.Struct, frozen=True):
    """A cache."""

    metadata: ObjectMeta
    spec: Spec


class Fleet(msgspec.Struct, frozen=True):
    """Many caches."""

    metadata: ObjectMeta
    spec: Spec


CACHES = custom_resource(
    group="example.com",
    kind="Cache",
    plural="caches",
    definition=Definition(annotations={"example.com/made-by": "hand"}),
).of(Cache)
FLEETS = custom_resource(group="example.com", kind="Fleet", plural="fleets", scope=Scope.CLUSTER).of(Fleet)


def rule(group: str, resource: str, *verbs: str) -> dict[str, Any]:
    """A rule of a role."""
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


ROLES: list[dict[str, Any]] = [
    {
        "kind": "ClusterRole",
        "metadata": {"name": "cache-operator"},
        "rules": [
            rule("", "configmaps", "list", "watch"),
            rule("example.com", "caches", "list", "watch"),
            rule("example.com", "fleets", "list", "watch"),
            rule("example.com", "fleets/status", "patch"),
        ],
    },
    {
        "kind": "Role",
        "metadata": {"name": "cache-operator", "namespace": "kube-system"},
        "rules": [rule("", "configmaps", "get")],
    },
]


def described(roles: list[dict[str, Any]] = ROLES, **said: Any) -> Description:
    """The program, with other words of its author."""
    usual = {"name": "cache-operator", "version": "1.2.0", "namespace": "caches", "run": "tests.support.caches"}
    program = msgspec.convert({**usual, **said}, Program)
    return description_of(program, sys.modules[__name__], roles=roles)
