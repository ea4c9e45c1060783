"""The informer of the package kubernetes: `python -m tests.bench.peers.official_informer URL`."""

from __future__ import annotations

import sys
import threading

from kubernetes import client
from kubernetes.informer import MODIFIED, SharedInformer

from tests.bench.peers.clock import EventClock

configuration = client.Configuration()
configuration.host = sys.argv[1]
clock = EventClock()
informer = SharedInformer(client.CoreV1Api(client.ApiClient(configuration)).list_pod_for_all_namespaces)
informer.add_event_handler(MODIFIED, lambda _: clock.tick())
informer.start()
threading.Event().wait()
