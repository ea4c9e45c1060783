"""
The caches of the controller, and the network that each of their objects belongs to.

By name and not by owner, so that a network learns when a name that it needs becomes free. Claims go by their label, and
only ours are cached, for many another program has claims. Pods go by their StatefulSet, for those of networks made
before have no label of ours; a pod without a StatefulSet, which an upgrade left, has the label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.bitcoin.names import NETWORK_LABEL, budget_name, network_of_set, policy_name, service_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, BitcoinNetwork
from ctrlkit.bitcoin.objects import (
    BUDGETS,
    CLAIMS,
    PODS,
    POLICIES,
    SERVICES,
    STATEFULSETS,
    Claim,
    Pod,
    Service,
    StatefulSet,
)
from ctrlkit.cache import Informer, InformerOptions
from ctrlkit.controller import Watch, annotations_changed, generation_changed, to_owner, to_self
from ctrlkit.manager import Manager
from ctrlkit.model import AnyResource, ObjectKey, PartialObjectMetadata, Record

KINDS: Final[tuple[AnyResource, ...]] = (BITCOIN_NETWORKS, SERVICES, STATEFULSETS, PODS, CLAIMS, BUDGETS, POLICIES)
"""The kinds that are cached."""

BATCH_S: Final = 0.1
"""Seconds in which changes of the objects of a network are gathered: pods come, and become ready, several at once."""

_BY_NETWORK: Final = "network"
_to_set: Final = to_owner(STATEFULSETS)

_NetworkOf = Callable[[Record[Any]], str | None]
"""Says the name of the network that an object belongs to; None for an object of somebody else."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the caches show of one network."""

    statefulsets: tuple[StatefulSet, ...] = ()
    pods: tuple[Pod, ...] = ()
    claims: tuple[Claim, ...] = ()


class Caches:
    """The informers that the controller uses, of one manager."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self.networks: Informer[BitcoinNetwork] = manager.informer(BITCOIN_NETWORKS)
        self.services: Informer[Service] = manager.informer(SERVICES)
        self.statefulsets: Informer[StatefulSet] = manager.informer(STATEFULSETS)
        self.pods: Informer[Pod] = manager.informer(PODS)
        self.claims: Informer[Claim] = manager.informer(CLAIMS, InformerOptions(label_selector=NETWORK_LABEL))
        self.budgets: Informer[PartialObjectMetadata] = manager.informer(BUDGETS)
        self.policies: Informer[PartialObjectMetadata] = manager.informer(POLICIES)
        self._networks_of: dict[Informer[Any], _NetworkOf] = {
            self.services: _by_name(service_name),
            self.statefulsets: lambda record: network_of_set(record.key.name),
            self.pods: _by_set_or_label,
            self.claims: _by_label,
            self.budgets: _by_name(budget_name),
            self.policies: _by_name(policy_name),
        }
        for informer in (self.statefulsets, self.pods, self.claims):
            if _BY_NETWORK not in informer.indexes:  # another controller of this manager may have added it
                informer.add_index(_BY_NETWORK, self._index(self._networks_of[informer]))

    def seen(self, network: ObjectKey) -> Seen:
        """Return what there is of a network."""

        def of(informer: Informer[Any]) -> tuple[Any, ...]:
            return tuple(informer.lister.by_index(_BY_NETWORK, str(network)))

        return Seen(of(self.statefulsets), of(self.pods), of(self.claims))

    def watches(self) -> list[Watch[Any]]:
        """
        Return what leads to a pass of which network.

        Of a network itself its spec, its deletion and its annotations, and not its status, which is ours.
        """
        of_network = generation_changed | annotations_changed
        own = Watch(self.networks, to_self, predicate=of_network, forgets_failures=generation_changed)
        ours = self._networks_of.items()
        return [own, *(Watch(informer, self._to_network(of), batch_s=BATCH_S) for informer, of in ours)]

    def _to_network(self, network_of: _NetworkOf) -> Callable[[Record[Any]], Iterable[ObjectKey]]:
        def keys(record: Record[Any]) -> Iterable[ObjectKey]:
            name = network_of(record)
            key = ObjectKey(record.key.namespace, name or "")
            return () if name is None or self.networks.lister.find_record(key) is None else (key,)

        return keys

    def _index(self, network_of: _NetworkOf) -> Callable[[Record[Any]], Iterable[str]]:
        def values(record: Record[Any]) -> Iterable[str]:
            name = network_of(record)
            return () if name is None else (str(ObjectKey(record.key.namespace, name)),)

        return values


def _by_name(name_of: Callable[[str], str]) -> _NetworkOf:
    suffix = name_of("")

    def network_of(record: Record[Any]) -> str | None:
        return record.key.name.removesuffix(suffix) if record.key.name.endswith(suffix) else None

    return network_of


def _by_label(record: Record[Any]) -> str | None:
    return (record.meta.labels or {}).get(NETWORK_LABEL)


def _by_set_or_label(record: Record[Any]) -> str | None:
    return next((network_of_set(key.name) for key in _to_set(record)), None) or _by_label(record)
