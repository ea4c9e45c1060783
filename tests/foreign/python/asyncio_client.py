"""The official client for asyncio: kubernetes.aio and, under its older name, kubernetes_asyncio. argv says which."""

import asyncio
import importlib
import os
import sys

library = importlib.import_module(sys.argv[1])
client = importlib.import_module(f"{library.__name__}.client")
config = importlib.import_module(f"{library.__name__}.config")
dynamic = importlib.import_module(f"{library.__name__}.dynamic")
utils = importlib.import_module(f"{library.__name__}.utils")
watch = importlib.import_module(f"{library.__name__}.watch")
SPACE = os.environ["NAMESPACE"]
LABELS = {"app": "web"}


async def objects(api):
    """Deployments, Services, Jobs and ConfigMaps come and change."""
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    await core.create_namespace({"metadata": {"name": SPACE}})
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": "example/web:1"}]}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": SPACE},
        "spec": {"replicas": 0, "selector": {"matchLabels": LABELS}, "template": template},
    }
    await utils.create_from_dict(api, deployment)
    scaled = await apps.patch_namespaced_deployment_scale("web", SPACE, {"spec": {"replicas": 0}})
    made = await apps.read_namespaced_deployment("web", SPACE)
    print("deployment:", scaled.spec.replicas, made.spec.strategy.type, made.spec.template.spec.restart_policy)
    service = client.V1Service(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1ServiceSpec(selector=LABELS, ports=[client.V1ServicePort(port=80)]),
    )
    print("service:", (await core.create_namespaced_service(SPACE, service)).spec.ports[0].target_port)
    try:
        await core.read_namespaced_pod_log("absent", SPACE)
    except client.ApiException as refusal:
        print("log:", refusal.status, refusal.reason)


async def watched(api):
    """A watch is resumed where another one stopped."""
    core = client.CoreV1Api(api)
    made = await core.create_namespaced_config_map(
        SPACE, {"metadata": {"name": "a", "labels": LABELS}, "data": {"k": "1"}}
    )
    await core.patch_namespaced_config_map("a", SPACE, [{"op": "replace", "path": "/data/k", "value": "2"}])
    await core.patch_namespaced_config_map("a", SPACE, {"data": {"k": "3"}})
    await core.delete_namespaced_config_map("a", SPACE)
    version, seen = made.metadata.resource_version, []
    while "DELETED" not in seen:
        async with watch.Watch() as changes:
            async for event in changes.stream(
                core.list_namespaced_config_map, SPACE, resource_version=version, label_selector="app=web"
            ):
                seen.append(event["type"])
                version = event["object"].metadata.resource_version
                break
    print("watched:", seen)


async def found(api):
    """The dynamic client finds a kind by discovery, and applies."""
    kinds = await dynamic.DynamicClient(api)
    jobs = await kinds.resources.get(api_version="batch/v1", kind="Job")
    spec = {
        "suspend": True,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}},
    }
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": spec}
    applied = await jobs.server_side_apply(body=body, name="once", namespace=SPACE, field_manager="python")
    print("applied:", applied.spec.completionMode, applied.metadata.managedFields[0].operation)
    await jobs.delete(name="once", namespace=SPACE, body={"propagationPolicy": "Background"})


async def main():
    await config.load_kube_config()
    async with client.ApiClient() as api:
        await objects(api)
        await watched(api)
        await found(api)


asyncio.run(main())
