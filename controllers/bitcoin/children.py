"""Creates and repairs what a network owns, its Service and its StatefulSet, and records Normal events."""

from __future__ import annotations

from typing import TypeVar

from ctrlkit.bitcoin.desired import desired_service, desired_statefulset, service_drift, statefulset_drift
from ctrlkit.bitcoin.status import Reason, Trouble
from ctrlkit.bitcoin.types import BITCOIN_NETWORKS, SERVICES, STATEFULSETS, BitcoinNetwork, Service, StatefulSet
from ctrlkit.cache import Lister
from ctrlkit.client import Client
from ctrlkit.errors import AlreadyExists, ApiError, CtrlkitError, TerminalError
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import Resource

C = TypeVar("C", Service, StatefulSet)


class Blocked(CtrlkitError):
    """A child of a network cannot be created or used; `trouble` says which and why."""

    def __init__(self, network: BitcoinNetwork, trouble: Trouble, why: str) -> None:
        super().__init__(f"reconcile network {network.metadata.key}: {why}")
        self.trouble: Trouble = trouble


class NameTaken(Blocked, TerminalError):
    """An object that the network does not own has the name of one of its children."""


class CreationFailed(Blocked):
    """The server refused to create a child."""


class Children:
    """
    Creates and repairs the Services and StatefulSets of networks.

    Errors  Blocked; ApiError for a refused patch; TransportError without an answer.
    """

    def __init__(
        self,
        *,
        services: Lister[Service],
        statefulsets: Lister[StatefulSet],
        client: Client,
        recorder: EventRecorder,
    ) -> None:
        self._services = services
        self._statefulsets = statefulsets
        self._client = client
        self._recorder = recorder

    async def ensure_service(self, network: BitcoinNetwork) -> None:
        """Create the headless Service, or repair what was changed."""
        desired = desired_service(network)
        current = self._find(network, self._services, desired)
        if current is None:
            await self._create(network, SERVICES, desired)
        elif not current.metadata.deleting:
            drift = service_drift(current, desired)
            if drift is not None:
                await self._client.patch(SERVICES, current.metadata.key, drift)
                self._record_event(
                    network, "RestoredService", f"put back service {current.metadata.name}, which was changed"
                )

    async def ensure_statefulset(self, network: BitcoinNetwork) -> StatefulSet | None:
        """Create or repair the StatefulSet; None if the cache does not show it yet."""
        desired = desired_statefulset(network)
        current = self._find(network, self._statefulsets, desired)
        if current is None:
            return await self._create(network, STATEFULSETS, desired)
        if current.metadata.deleting:
            return current
        drift = statefulset_drift(current, desired)
        if drift is None:
            return current
        patched = await self._client.patch(STATEFULSETS, current.metadata.key, drift)
        name, before, after = current.metadata.name, current.spec.replicas, desired.spec.replicas
        if before != after:
            self._record_event(
                network, "AdjustedReplicas", f"adjusted replicas of statefulset {name} from {before} to {after}"
            )
        if current.spec.template != patched.spec.template:
            self._record_event(network, "RestoredStatefulSet", f"put back the pod template of statefulset {name}")
        return patched

    def _find(self, network: BitcoinNetwork, lister: Lister[C], desired: C) -> C | None:
        current = lister.find(desired.metadata.key)
        if current is None or current.metadata.is_controlled_by(network.metadata):
            return current
        holder, what = current.metadata.controller, f"{lister.resource.kind.lower()} {desired.metadata.name}"
        if holder is not None and (holder.kind, holder.name) == (BITCOIN_NETWORKS.kind, network.metadata.name):
            fact = f"{what} belongs to a former network of this name; wait until it is collected"
        else:
            fact = f"{what} exists and is not this network's; delete it, or give the network another name"
        raise NameTaken(network, Trouble(Reason.NAME_TAKEN, fact), fact)

    async def _create(self, network: BitcoinNetwork, resource: Resource[C], desired: C) -> C | None:
        kind, name = resource.kind, desired.metadata.name
        try:
            created = await self._client.create(resource, desired)
        except AlreadyExists:
            return None  # the cache is behind: its next change leads to the next pass
        except ApiError as error:
            fact = f"{kind.lower()} {name} could not be created: {error.message[:200]}"
            raise CreationFailed(network, Trouble(Reason.CREATION_ERROR, fact), str(error)) from error
        self._record_event(network, f"Created{kind}", f"created {kind.lower()} {name}")
        return created

    def _record_event(self, network: BitcoinNetwork, reason: str, message: str) -> None:
        self._recorder.event(network.metadata, BITCOIN_NETWORKS, EventType.NORMAL, reason, message)
