"""The official informer, with its cache, and the official leader election, on a Lease."""

import os
import queue

from kubernetes import client, config, informer
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

SPACE = os.environ["NAMESPACE"]


def informed(core):
    """Changes come to the handlers, and the cache shows them; a second informer begins with what is there."""
    changes = queue.Queue()
    maps = informer.SharedInformer(core.list_namespaced_config_map, namespace=SPACE, label_selector="app=web")
    for kind in (informer.ADDED, informer.MODIFIED, informer.DELETED):
        maps.add_event_handler(kind, lambda found, kind=kind: changes.put((kind, found.metadata.name, found.data)))
    core.create_namespaced_config_map(SPACE, {"metadata": {"name": "a", "labels": {"app": "web"}}, "data": {"k": "1"}})
    maps.start()
    print(*changes.get(timeout=60))
    core.create_namespaced_config_map(SPACE, {"metadata": {"name": "b"}})
    core.patch_namespaced_config_map("b", SPACE, {"metadata": {"labels": {"app": "web"}}})
    print(*changes.get(timeout=60))
    core.patch_namespaced_config_map("a", SPACE, {"data": {"k": "2"}})
    print(*changes.get(timeout=60), sorted(key.partition("/")[2] for key in maps.cache.list_keys()))
    core.patch_namespaced_config_map("b", SPACE, {"metadata": {"labels": None}})
    print(*changes.get(timeout=60))
    core.delete_namespaced_config_map("a", SPACE)
    print(*changes.get(timeout=60), maps.cache.list_keys())
    maps.stop()


def elected(coordination):
    """The holder is in the Lease while it leads."""

    def lead():
        lease = coordination.read_namespaced_lease("leader", SPACE)
        print(
            "holds:",
            lease.spec.holder_identity,
            lease.spec.lease_duration_seconds,
            lease.spec.lease_transitions,
            flush=True,
        )
        os._exit(0)  # a leader of this library leads until its process ends

    lock = LeaseLock("leader", SPACE, "python")
    leaderelection.LeaderElection(electionconfig.Config(lock, 17, 15, 5, lead, None)).run()


config.load_kube_config()
client.CoreV1Api().create_namespace({"metadata": {"name": SPACE}})
informed(client.CoreV1Api())
elected(client.CoordinationV1Api())
