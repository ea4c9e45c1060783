"""lightkube: models, every patch it has, apply, wait, a watch, log and exec, a kind of one's own, manifests."""

import os

from lightkube import ApiError, Client, codecs
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, Secret, Service
from lightkube.types import PatchType

SPACE = os.environ["NAMESPACE"]
MANIFESTS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.lightkube.example.com}
spec:
  group: lightkube.example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}, scale: {specReplicasPath: .spec.oars, statusReplicasPath: .status.oars}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example/web:1}]}
"""


def refused(call, *arguments, **options):
    """Return the code and reason of the refusal that a call must meet."""
    try:
        call(*arguments, **options)
    except ApiError as refusal:
        return f"{refusal.status.code} {refusal.status.reason}"
    raise AssertionError("it was not refused")


def main():
    client = Client(namespace=SPACE, field_manager="lightkube")
    client.create(Namespace(metadata=ObjectMeta(name=SPACE)))
    definition, deployment = codecs.load_all_yaml(MANIFESTS.replace("NAMESPACE", SPACE))
    client.create(definition)
    client.wait(CustomResourceDefinition, definition.metadata.name, for_conditions=["Established"])
    client.apply(deployment)
    scale = client.get(Deployment.Scale, "web")
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "example/side:1"}]}}}}
    merged = client.patch(Deployment, "web", side)
    print("deployment:", scale.spec.replicas, sorted(found.name for found in merged.spec.template.spec.containers))
    spec = ServiceSpec(selector={"app": "web"}, ports=[ServicePort(port=80)])
    print("service:", client.create(Service(metadata=ObjectMeta(name="web"), spec=spec)).spec.ports[0].protocol)

    made = client.create(ConfigMap(metadata=ObjectMeta(name="a", labels={"app": "web"}), data={"k": "1"}))
    client.patch(ConfigMap, "a", {"data": {"m": "2"}}, patch_type=PatchType.MERGE)
    client.patch(ConfigMap, "a", [{"op": "remove", "path": "/data/k"}], patch_type=PatchType.JSON)
    applied = client.apply(ConfigMap(metadata=ObjectMeta(name="a"), data={"p": "3"}), force=True)
    client.set(ConfigMap, "a", labels={"tier": "front"})
    print("configmap:", applied.data, refused(client.replace, made), refused(client.create, made))
    client.delete(ConfigMap, "a")
    for kind, changed in client.watch(ConfigMap, labels={"app": "web"}, resource_version=made.metadata.resourceVersion):
        print("watched:", kind, sorted(changed.data))
        if kind == "DELETED":
            break
    client.create(Secret(metadata=ObjectMeta(name="key"), stringData={"word": "hi"}))
    print("secrets:", [(found.metadata.name, found.data) for found in client.list(Secret, chunk_size=1)])
    print("log:", refused(lambda: list(client.log("absent"))), refused(client.get, Pod, "absent"))

    boats = create_namespaced_resource("lightkube.example.com", "v1", "Boat", "boats")
    client.create(boats(metadata={"name": "one"}, spec={"oars": 2}))
    client.patch(boats.Scale, "one", {"spec": {"replicas": 4}}, patch_type=PatchType.MERGE)
    rowed = client.patch(boats.Status, "one", {"status": {"afloat": True}}, patch_type=PatchType.MERGE)
    print("boat:", rowed["spec"], rowed["status"], rowed.metadata.generation)
    client.deletecollection(boats)
    print("left:", list(client.list(boats)))
    client.delete(CustomResourceDefinition, definition.metadata.name)


main()
