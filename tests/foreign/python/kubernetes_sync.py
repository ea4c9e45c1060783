"""The official client, threads and blocking calls: objects, every kind of patch, watch, log, exec, create_from_yaml."""

import os

from kubernetes import client, config, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import stream

MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NAMESPACE}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {nodeSelector: {nowhere: "true"}, containers: [{name: web, image: example/web:1}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: NAMESPACE}
spec:
  suspend: true
  template: {spec: {restartPolicy: Never, containers: [{name: once, image: example/once:1}]}}
"""
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
SPACE = os.environ["NAMESPACE"]


def refused(call, *arguments, **options):
    """Return the code and reason of the refusal that a call must meet."""
    try:
        call(*arguments, **options)
    except ApiException as refusal:
        return f"{refusal.status} {refusal.reason}"
    raise AssertionError("it was not refused")


def main():
    config.load_kube_config()
    core, apps, batch = client.CoreV1Api(), client.AppsV1Api(), client.BatchV1Api()
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=SPACE)))
    with open("manifest.yaml", "w", encoding="utf-8") as file:
        file.write(MANIFEST.replace("NAMESPACE", SPACE))
    utils.create_from_yaml(client.ApiClient(), "manifest.yaml", namespace=SPACE)
    service, job = core.read_namespaced_service("web", SPACE), batch.read_namespaced_job("once", SPACE)
    print("from yaml:", service.spec.type, bool(service.spec.cluster_ip), job.spec.suspend, job.spec.backoff_limit)

    settings = client.V1ConfigMap(metadata={"name": "settings", "labels": {"app": "web"}}, data={"a": "1"})
    made = core.create_namespaced_config_map(SPACE, settings)
    print("again:", refused(core.create_namespaced_config_map, SPACE, settings))
    core.patch_namespaced_config_map("settings", SPACE, {"data": {"b": "2"}})
    core.patch_namespaced_config_map("settings", SPACE, {"data": {"c": "3"}}, _content_type=MERGE)
    core.patch_namespaced_config_map("settings", SPACE, [{"op": "replace", "path": "/data/a", "value": "4"}])
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"d": "5"}}
    options = {"field_manager": "python", "_content_type": "application/apply-patch+yaml"}
    latest = core.patch_namespaced_config_map("settings", SPACE, applied, **options)
    print("patched:", sorted(latest.data.items()))
    print("stale:", refused(core.replace_namespaced_config_map, "settings", SPACE, made))
    secret = core.create_namespaced_secret(SPACE, client.V1Secret(metadata={"name": "key"}, string_data={"word": "hi"}))
    print("secret:", secret.data, secret.type)

    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "example/side:1"}]}}}}
    merged = apps.patch_namespaced_deployment("web", SPACE, side, _content_type=STRATEGIC)
    print("containers:", sorted(container.name for container in merged.spec.template.spec.containers))
    print("scaled:", apps.patch_namespaced_deployment_scale("web", SPACE, {"spec": {"replicas": 5}}).spec.replicas)
    print(
        "selector:",
        refused(apps.patch_namespaced_deployment, "web", SPACE, {"spec": {"selector": {"matchLabels": {"a": "b"}}}}),
    )

    pod = client.V1Pod(
        metadata={"name": "one"},
        spec=client.V1PodSpec(
            node_selector={"nowhere": "true"}, containers=[{"name": "one", "image": "example/one:1"}]
        ),
    )
    print("pod:", core.create_namespaced_pod(SPACE, pod).status.phase)
    print("log:", refused(core.read_namespaced_pod_log, "absent", SPACE))
    print(
        "exec:",
        refused(stream, core.connect_get_namespaced_pod_exec, "absent", SPACE, command=["true"], stdout=True).partition(
            " "
        )[0],
    )
    eviction = client.V1Eviction(metadata={"name": "one"})
    core.create_namespaced_pod_eviction("one", SPACE, eviction)

    watching, seen = watch.Watch(), []
    core.delete_collection_namespaced_config_map(SPACE, label_selector="app=web")
    for event in watching.stream(
        core.list_namespaced_config_map,
        SPACE,
        resource_version=made.metadata.resource_version,
        field_selector="metadata.name=settings",
    ):
        seen.append(event["type"])
        if event["type"] == "DELETED":
            watching.stop()
    print("watched:", seen)
    first = core.list_namespaced_secret(SPACE, limit=1)
    print("page:", len(first.items), first.metadata._continue)
    print(
        "versions:",
        client.VersionApi().get_code().major,
        "apps" in [g.name for g in client.ApisApi().get_api_versions().groups],
    )


main()
