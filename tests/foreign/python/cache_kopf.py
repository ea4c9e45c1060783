"""A Cache is a Deployment with a Service and a configuration, listed in a registry outside; with webhooks and a scale."""

import datetime as dt
import hashlib

import kopf
import kubernetes
from kubernetes.dynamic import DynamicClient

GROUP = "demo.example.com"
OWNED = {"cache": kopf.PRESENT}


class Registry:
    """Stands for the client of an API outside of the cluster, which says where caches are."""

    def __init__(self):
        self.addresses = {}

    async def put(self, uid, address):
        self.addresses[uid] = address


@kopf.on.startup()
async def start(memo: kopf.Memo, settings: kopf.OperatorSettings, **_):
    kubernetes.config.load_config()
    memo.client = DynamicClient(kubernetes.client.ApiClient())
    memo.registry = Registry()
    settings.admission.server = kopf.WebhookServer(host="localhost", certfile="cert.pem", pkeyfile="key.pem")
    settings.admission.managed = "auto.kopf.dev"


def children(name, spec):
    labels = {"cache": name}
    conf = f"maxmemory {spec['memoryMb']}mb\n"
    digest = hashlib.sha256(conf.encode()).hexdigest()[:12]
    container = {
        "name": "redis",
        "image": "redis:8",
        "args": ["/etc/redis/redis.conf"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/redis"}],
    }
    template = {
        "metadata": {"labels": labels, "annotations": {f"{GROUP}/config": digest}},
        "spec": {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": name}}]},
    }
    pods = {"replicas": spec["size"], "selector": {"matchLabels": labels}, "template": template}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"redis.conf": conf}}
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"selector": labels, "ports": [{"port": 6379}]}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": pods}
    for child in (config, service, deployment):
        child["metadata"] = {"name": name, "labels": labels}
        kopf.adopt(child)
    return config, service, deployment


def apply(client, child):
    resource = client.resources.get(api_version=child["apiVersion"], kind=child["kind"])
    return resource.server_side_apply(
        body=child, namespace=child["metadata"]["namespace"], field_manager="cache", force_conflicts=True
    ).to_dict()


@kopf.on.resume("caches")
@kopf.on.create("caches")
@kopf.on.update("caches", field="spec")
async def converge(name, namespace, spec, uid, body, patch, old, new, reason, memo, **_):
    for child in children(name, spec):
        deployment = apply(memo.client, child)
    await memo.registry.put(uid, f"{name}.{namespace}:6379")
    if reason == "update" and old["memoryMb"] != new["memoryMb"]:
        kopf.event(
            body, type="Normal", reason="Rolled", message=f"the pods are replaced: memoryMb is {spec['memoryMb']}"
        )
    patch.status.update(status_of(body, deployment))


@kopf.on.event("apps", "v1", "deployments", labels=OWNED)
async def pods_changed(body, name, namespace, memo, **_):
    caches = memo.client.resources.get(api_version=f"{GROUP}/v1", kind="Cache")
    try:
        cache = caches.get(name=name, namespace=namespace).to_dict()
    except kubernetes.dynamic.exceptions.NotFoundError:
        return
    status = status_of(cache, body)
    if status != {field: cache.get("status", {}).get(field) for field in status}:
        caches.status.patch(
            name=name, namespace=namespace, body={"status": status}, content_type="application/merge-patch+json"
        )


def status_of(cache, deployment):
    status, size = deployment.get("status", {}), cache["spec"]["size"]
    available = status.get("availableReplicas", 0)
    seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
    done = seen and status.get("updatedReplicas", 0) == status.get("replicas", 0) == available == size
    ready = {
        "type": "Ready",
        "status": str(done),
        "reason": "Available" if done else "Rolling",
        "message": f"{available} of {size} are available",
        "observedGeneration": cache["metadata"]["generation"],
        "lastTransitionTime": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    others = [each for each in cache.get("status", {}).get("conditions", ()) if each["type"] != "Ready"]
    for each in cache.get("status", {}).get("conditions", ()):
        if each["type"] == "Ready" and each["status"] == ready["status"]:
            ready["lastTransitionTime"] = each["lastTransitionTime"]
    return {"ready": available, "selector": f"cache={cache['metadata']['name']}", "conditions": [*others, ready]}


@kopf.on.delete("caches")
async def unlist(uid, memo, **_):
    await memo.registry.put(uid, "")


@kopf.on.mutate("caches", operation="CREATE")
async def sign(userinfo, patch, **_):
    patch.metadata.annotations[f"{GROUP}/made-by"] = userinfo["username"]


@kopf.on.validate("caches", operation="UPDATE")
async def check(old, new, **_):
    if new["spec"]["memoryMb"] < old["spec"]["memoryMb"]:
        raise kopf.AdmissionError("spec.memoryMb: it is less than before; make another Cache and move over")
