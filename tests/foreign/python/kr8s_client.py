"""kr8s: objects by their dicts, lookups by any name that kubectl takes, patches, scale, wait, watch, pods."""

import os

import kr8s
from kr8s.objects import ConfigMap, CustomResourceDefinition, Deployment, Job, Namespace, Pod, Service, new_class

SPACE = os.environ["NAMESPACE"]
LABELS = {"app": "web"}
DEFINITION = {
    "metadata": {"name": "kites.kr8s.example.com"},
    "spec": {
        "group": "kr8s.example.com",
        "scope": "Namespaced",
        "names": {"plural": "kites", "singular": "kite", "kind": "Kite", "shortNames": ["ki"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def refused(call, *arguments, **options):
    """Return the code and the message of the refusal that a call must meet."""
    try:
        call(*arguments, **options)
    except kr8s.ServerError as refusal:
        return f"{refusal.response.status_code} {refusal}"
    raise AssertionError("it was not refused")


def main():
    Namespace(SPACE).create()
    api = kr8s.api(namespace=SPACE)
    print("version:", api.version()["major"], api.whoami() != "")
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": "example/web:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template}
    web = Deployment({"metadata": {"name": "web", "namespace": SPACE, "labels": LABELS}, "spec": spec})
    web.create()
    web.annotate({"note": "yes"})
    web.label({"tier": "front"})
    web.remove_label("app")
    print("deployment:", web.replicas, dict(web.labels), web.annotations["note"], web.spec.strategy.type)
    # A scale to what it has: nobody here makes pods, and kr8s waits for them.
    web.scale(0)
    print(
        "by short name:",
        [found.name for found in api.get("deploy")],
        [str(found) for found in api.get("deployments.apps")],
    )

    service = Service(
        {"metadata": {"name": "web", "namespace": SPACE}, "spec": {"selector": LABELS, "ports": [{"port": 80}]}}
    )
    service.create()
    job = Job(
        {
            "metadata": {"name": "once", "namespace": SPACE},
            "spec": {"suspend": True, "template": template | {"spec": template["spec"] | {"restartPolicy": "Never"}}},
        }
    )
    job.create()
    print("made:", service.exists(), job.raw.spec.parallelism, refused(job.create).partition(" ")[0])

    settings = ConfigMap({"metadata": {"name": "a", "namespace": SPACE, "labels": LABELS}, "data": {"k": "1"}})
    settings.create()
    changes = api.watch("configmaps", namespace=SPACE, label_selector=LABELS)
    print("watched:", *[(kind, dict(found.data)) for kind, found in [next(changes)]])
    settings.patch({"data": {"m": "2"}})
    print("watched:", *[(kind, dict(found.data)) for kind, found in [next(changes)]])
    settings.patch([{"op": "remove", "path": "/data/k"}], type="json")
    print("watched:", *[(kind, dict(found.data)) for kind, found in [next(changes)]])
    settings.delete()
    print("watched:", next(changes)[0], settings.exists())

    pod = Pod({"metadata": {"name": "absent", "namespace": SPACE}, "spec": template["spec"]})
    print("log:", refused(lambda: list(pod.logs())))

    definition = CustomResourceDefinition(DEFINITION)
    definition.create()
    definition.wait("condition=Established", timeout=60)
    Kite = new_class("Kite", "kr8s.example.com/v1", namespaced=True)
    kite = Kite({"metadata": {"name": "one", "namespace": SPACE}, "spec": {"tail": 3}})
    kite.create()
    kite.patch({"spec": {"tail": 4}})
    print("kite:", kite.spec, [found.name for found in kr8s.get("kites.kr8s.example.com", namespace=SPACE)])
    kite.delete()
    kite.wait("delete", timeout=60)
    definition.delete()
    print("left:", list(kr8s.get("configmaps", namespace=SPACE, label_selector=LABELS)))


main()
