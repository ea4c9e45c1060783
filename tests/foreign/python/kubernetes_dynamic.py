"""The official dynamic client: a kind that no library knows, defined, found by discovery, written and watched."""

import os

from kubernetes import client, config, dynamic
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError, UnprocessibleEntityError

SPACE = os.environ["NAMESPACE"]
GROUP = "dynamic.example.com"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1}}, "required": ["size"]},
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"things.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": SCHEMA},
            }
        ],
    },
}


def main():
    dynamic_client = dynamic.DynamicClient(client.ApiClient(config.load_kube_config()))
    definitions = dynamic_client.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    definitions.create(body=DEFINITION)
    for event in definitions.watch(name=DEFINITION["metadata"]["name"], timeout=60):
        conditions = {found.type: found.status for found in event["object"].status.conditions or []}
        if conditions.get("Established") == "True":
            break
    dynamic_client.resources.get(api_version="v1", kind="Namespace").create(body={"metadata": {"name": SPACE}})

    things = dynamic_client.resources.get(api_version=f"{GROUP}/v1", kind="Thing")
    print("found:", things.name, things.namespaced, sorted(things.verbs), sorted(things.subresources))
    body = {"apiVersion": f"{GROUP}/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": {"size": 1}}
    made = things.create(body=body, namespace=SPACE)
    try:
        things.create(body={**body, "metadata": {"name": "two"}, "spec": {"size": 0}}, namespace=SPACE)
    except UnprocessibleEntityError as refusal:
        print("invalid:", refusal.summary().partition("invalid: ")[2])
    things.patch(body={"spec": {"size": 2}}, name="one", namespace=SPACE, content_type="application/merge-patch+json")
    applied = things.server_side_apply(
        body={**body, "spec": {"size": 3}}, name="one", namespace=SPACE, field_manager="python", force_conflicts=True
    )
    status = things.status.patch(
        body={"status": {"ready": True}}, name="one", namespace=SPACE, content_type="application/merge-patch+json"
    )
    print("changed:", applied.spec.size, status.status.ready, status.metadata.generation)
    try:
        things.replace(body=made.to_dict(), namespace=SPACE)
    except ConflictError as refusal:
        print("stale:", refusal.status)
    things.delete(name="one", namespace=SPACE)
    for event in things.watch(namespace=SPACE, resource_version=made.metadata.resourceVersion, timeout=60):
        print("watched:", event["type"], event["object"].metadata.generation)
        if event["type"] == "DELETED":
            break
    definitions.delete(name=DEFINITION["metadata"]["name"])
    try:
        things.get(namespace=SPACE, name="one")
    except NotFoundError as refusal:
        print("gone:", refusal.status)


main()
