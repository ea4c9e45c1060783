"""What the objects of a network are called, and the labels by which they are found. Pure."""

from __future__ import annotations

import re
from typing import Final

from ctrlkit.bitcoin.network import GROUP, MAIN_GROUP

NETWORK_LABEL: Final = f"{GROUP}/network"
GROUP_LABEL: Final = f"{GROUP}/group"
"""Both have a prefix of our own, so that no selector of anybody else matches a node by chance."""

_SET_NAME: Final = re.compile(r"(?P<network>.+)-sts(-(?!sts$)[a-z][a-z0-9]*)?")


def service_name(network: str) -> str:
    """Return the name of a network's headless Service."""
    return f"{network}-svc"


def statefulset_name(network: str, group: str = MAIN_GROUP) -> str:
    """
    Return the name of the StatefulSet of a group.

    >>> statefulset_name("net"), statefulset_name("net", "old")
    ('net-sts', 'net-sts-old')
    """
    return f"{network}-sts" if group == MAIN_GROUP else f"{network}-sts-{group}"


def pod_name(network: str, ordinal: int, group: str = MAIN_GROUP) -> str:
    """
    Return the name of the pod that runs a node.

    >>> pod_name("net", 0), pod_name("net", 2, "old")
    ('net-sts-0', 'net-sts-old-2')
    """
    return f"{statefulset_name(network, group)}-{ordinal}"


def claim_name(pod: str) -> str:
    """Return the name of the claim of a pod, as its StatefulSet's controller forms it."""
    return f"data-{pod}"


def config_name(network: str) -> str:
    """Return the name of the Secret with bitcoin.conf and the credentials in force; the network owns it."""
    return f"{network}-config"


def credentials_name(network: str) -> str:
    """Return the name of the Secret that is made where a network names none; the network owns it."""
    return f"{network}-credentials"


def budget_name(network: str) -> str:
    """Return the name of a network's PodDisruptionBudget."""
    return f"{network}-pdb"


def policy_name(network: str) -> str:
    """Return the name of a network's NetworkPolicy."""
    return f"{network}-np"


def network_of_set(statefulset: str) -> str | None:
    """
    Return the network whose StatefulSet has a name; None for a name that none can have.

    >>> network_of_set("net-sts"), network_of_set("net-sts-old"), network_of_set("net-sts-sts"), network_of_set("web")
    ('net', 'net', 'net-sts', None)
    """
    found = _SET_NAME.fullmatch(statefulset)
    return found["network"] if found else None


def selector(network: str, group: str | None = None) -> dict[str, str]:
    """Return the labels that select the nodes of a network, or of one of its groups, and nothing else."""
    return {NETWORK_LABEL: network} | ({} if group is None else {GROUP_LABEL: group})


def labels(network: str, group: str | None = None) -> dict[str, str]:
    """Return the labels of an object of a network."""
    return {
        "app.kubernetes.io/name": "bitcoind",
        "app.kubernetes.io/instance": network,
        "app.kubernetes.io/managed-by": "bitcoin-controller",
        **selector(network, group),
    }
