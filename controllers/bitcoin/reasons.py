"""
The reasons of conditions, and which of them somebody should hear of. Pure.

`docs/bitcoin.md` has a row for each: what it means, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ctrlkit.model import Condition


class Reason(StrEnum):
    """The reason of a condition."""

    NODES_CONNECTED = "NodesConnected"
    SETTLED = "Settled"
    PAUSED = "Paused"
    NO_NODES = "NoNodes"
    NODES_STARTING = "NodesStarting"
    NODES_BEHIND = "NodesBehind"
    CREDENTIALS_MISSING = "CredentialsMissing"
    CONNECTING = "Connecting"
    ROLLING_OUT = "RollingOut"
    # CredentialsAvailable
    SECRET_FOUND = "SecretFound"
    SECRET_GENERATED = "SecretGenerated"
    ROTATING = "Rotating"
    DEFAULT_CREDENTIALS = "DefaultCredentials"
    # Connected
    ONE_NODE = "OneNode"
    FULL_MESH = "FullMesh"
    RINGS = "Rings"
    OWN_PEERS = "OwnPeers"
    NOT_KNOWN = "NotKnown"
    # UpToDate
    UP_TO_DATE = "UpToDate"
    REMOVAL_WAITS = "RemovalWaits"
    NEWER_DEFAULT = "NewerDefault"
    MADE_BEFORE = "MadeBefore"
    # what somebody should hear of
    SPEC_NOT_UNDERSTOOD = "SpecNotUnderstood"
    NAME_TAKEN = "NameTaken"
    CREATION_ERROR = "CreationError"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_FORBIDDEN = "SecretForbidden"
    SECRET_INCOMPLETE = "SecretIncomplete"
    CREDENTIALS_REFUSED = "CredentialsRefused"
    NODES_FAILING = "NodesFailing"
    NODES_UNREACHABLE = "NodesUnreachable"
    NODES_UNSTEADY = "NodesUnsteady"
    PARTITIONED = "Partitioned"
    PUBLIC_PEERS = "PublicPeers"
    NO_PEERS = "NoPeers"
    ROLLOUT_STOPPED = "RolloutStopped"
    ROLLOUT_BLOCKED = "RolloutBlocked"
    CHANGE_REFUSED = "ChangeRefused"


WARNINGS: Final = frozenset(
    {
        Reason.SPEC_NOT_UNDERSTOOD,
        Reason.NAME_TAKEN,
        Reason.CREATION_ERROR,
        Reason.SECRET_NOT_FOUND,
        Reason.SECRET_FORBIDDEN,
        Reason.SECRET_INCOMPLETE,
        Reason.CREDENTIALS_REFUSED,
        Reason.NODES_FAILING,
        Reason.NODES_UNREACHABLE,
        Reason.NODES_UNSTEADY,
        Reason.PARTITIONED,
        Reason.PUBLIC_PEERS,
        Reason.NO_PEERS,
        Reason.ROLLOUT_STOPPED,
        Reason.ROLLOUT_BLOCKED,
        Reason.CHANGE_REFUSED,
    }
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem of a network, as the reason and message of a condition."""

    reason: Reason
    message: str


def new_troubles(before: Iterable[Condition], after: Iterable[Condition]) -> tuple[Trouble, ...]:
    """
    Return the troubles that no condition told before in these words, each once, for Warning events.

    That a chain is public is told once, and not again when its nodes have found peers.
    """
    old = {(condition.reason, condition.message) for condition in before}
    is_known_public = any(reason in (Reason.PUBLIC_PEERS, Reason.NO_PEERS) for reason, _ in old)
    found: dict[Reason, str] = {}
    for condition in after:
        is_known = (condition.reason, condition.message) in old
        if condition.reason == Reason.PUBLIC_PEERS:
            is_known = is_known_public
        if condition.reason in WARNINGS and not is_known:
            found.setdefault(Reason(condition.reason), condition.message)
    return tuple(Trouble(reason, message) for reason, message in found.items())
