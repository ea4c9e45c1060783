"""Events of kubelets: about a pod or one of its containers, from the kubelet of its node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ctrlkit.events import EventRecorder, EventType
from ctrlkit.fakes.cluster.node.pod_plan import Container
from ctrlkit.model import Unstructured
from ctrlkit.model.kinds import PODS

Tell = Callable[[EventType, str, str], None]
"""Tells an Event of a container: its type, reason and message."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Records Events; `recorder_of` returns the recorder of the kubelet of a node."""

    recorder_of: Callable[[str], EventRecorder]

    def tell(
        self,
        pod: Unstructured,
        container: Container | None,
        event_type: EventType,
        reason: str,
        message: str,
    ) -> None:
        """Record an Event about a pod, or about one of its containers."""
        path = container.field_path if container is not None else ""
        recorder = self.recorder_of(pod.at("spec.nodeName"))
        recorder.event(pod.metadata, PODS, event_type, reason, message, field_path=path)

    def of(self, pod: Unstructured, container: Container | None) -> Tell:
        """Return what tells Events about a pod or a container."""
        return lambda event_type, reason, message: self.tell(pod, container, event_type, reason, message)
