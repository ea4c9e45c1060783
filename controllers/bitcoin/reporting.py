"""
Writes the status of a network, at most a few times in a pass, and only where it differs.

Each patch names the version that it was made for, because times of transitions depend on the status before. After a
Conflict the next pass sees the newer network.
"""

from __future__ import annotations

from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, Status
from ctrlkit.bitcoin.reasons import new_troubles
from ctrlkit.client import Client
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import MergePatch, ObjectMeta, Unstructured


class Report:
    """
    The status of one network during one pass.

    Shape   `status` is the one that the server has, as far as this pass knows. Each trouble that is new leads to a
            Warning event, after its status was written.
    Errors  Conflict where the network has changed since the cache showed it; the client's.
    """

    def __init__(self, client: Client, recorder: EventRecorder, meta: ObjectMeta, status: Status) -> None:
        self._client = client
        self._recorder = recorder
        self._meta = meta
        self._version = meta.resource_version
        self.status: Status = status

    async def write(self, status: Status) -> None:
        """See that the network has this status."""
        before = self.status
        if status == before:
            return
        patch = MergePatch({"metadata": {"resourceVersion": self._version}, "status": status})
        after = await self._client.patch(BITCOIN_NETWORKS.of(Unstructured), self._meta.key, patch, subresource="status")
        self._version, self.status = after.metadata.resource_version, status
        for trouble in new_troubles(before.conditions, status.conditions):
            self.tell(EventType.WARNING, trouble.reason, trouble.message)

    def tell(self, event_type: EventType, reason: str, message: str) -> None:
        """Record an Event on the network."""
        self._recorder.event(self._meta, BITCOIN_NETWORKS, event_type, reason, message)
