"""What a reconcile finds out about the nodes of a network: the pods that run them, and what they say. Data alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ctrlkit.bitcoin.reasons import Trouble
from ctrlkit.bitcoin.rpc import Answer, RpcError


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """
    A node that the spec asks for, and the pod that runs it.

    Shape   `uid` and `address` are empty while there is no pod, or no address. `is_ready`: the pod is Ready, has an
            address and is not being deleted. `is_updated`: the pod has what the spec says now. `has_claim`: what the
            node keeps is there after the pod. `never_ran`: no container of the pod was ever started, so it keeps
            nothing. `created`: when the pod was made, as RFC 3339 text. `trouble`: why it does not run, where that is
            known. `held_back`: what its pod waits for, where that comes by itself and is no trouble.
    """

    name: str
    group: str
    ordinal: int
    uid: str = ""
    address: str = ""
    is_ready: bool = False
    is_deleting: bool = False
    is_updated: bool = False
    has_claim: bool = False
    never_ran: bool = False
    created: str = ""
    trouble: str = ""
    held_back: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """
    What the status tells of how a network is provided with what its nodes need.

    Shape   `trouble`: what is wrong with the Secret that is named. `secret`: the Secret with the credentials that are
            wanted. `images`: those of the groups. `refused`: why a change of the spec is not made. `removal`: why nodes
            that the spec has no more stay. `newer_image`: the controller's default, where the nodes run an older one.
            `written_by`: who wrote on the claims of the groups, where somebody looked. `made_before`: what an upgrade
            would bring to a network whose StatefulSet is of an earlier version of the controller.
    """

    trouble: Trouble | None = None
    secret: str = ""
    is_rotating: bool = False
    images: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    removal: str = ""
    newer_image: str = ""
    written_by: Mapping[str, str] = field(default_factory=dict)
    made_before: str = ""


Said = Answer | RpcError
"""What a node said, or why it said nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """
    What the nodes said in one pass, and what is remembered of them.

    Shape   `said`: of each node that has an address, by name. `earlier`: what nodes said some time ago, without their
            lists; empty if nobody was asked then. `young`: nodes whose connections are too new to be missed.
            `unfinished`: nodes whose lists have more to be changed than one pass may.
    Units   `again_s`: after so many seconds a node should be asked again; infinite while all is well.
    """

    said: Mapping[str, Said] = field(default_factory=dict)
    earlier: Mapping[str, Answer] = field(default_factory=dict)
    young: frozenset[str] = frozenset()
    unfinished: frozenset[str] = frozenset()
    again_s: float = math.inf
