"""The program before.py of docs/coming-from-kopf.md at work, and what it leaves when it ends; it is in this folder."""

import asyncio
import os

import before
import kopf
import kubernetes

SPACE, GROUP = os.environ["NAMESPACE"], "demo.example.com"
PLACE = (GROUP, "v1", SPACE, "greetings")


async def asleep(_directory, _name):
    """A directory that does not answer."""
    raise ConnectionRefusedError


def define():
    """The kind, and the namespace."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "greetings", "singular": "greeting", "kind": "Greeting"}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    extensions = kubernetes.client.ApiextensionsV1Api()
    try:
        extensions.create_custom_resource_definition({**head, "metadata": {"name": f"greetings.{GROUP}"}, "spec": spec})
    except kubernetes.client.ApiException as error:
        if error.status != 409:  # another test's
            raise
    watch = kubernetes.watch.Watch()
    found = f"metadata.name=greetings.{GROUP}"
    for event in watch.stream(extensions.list_custom_resource_definition, field_selector=found):
        if any(each.type == "Established" for each in event["object"].status.conditions or ()):
            watch.stop()
    core.create_namespace({"metadata": {"name": SPACE}})


async def seen(name, is_right):
    """An object, once it is as it should be, by a watch."""
    watch = kubernetes.watch.Watch()
    stream = watch.stream(custom.list_namespaced_custom_object, *PLACE, field_selector=f"metadata.name={name}")
    while not is_right(found := (await asyncio.to_thread(next, stream))["object"]):
        pass
    watch.stop()
    return found


def kept(found):
    return sorted(found["metadata"].get("annotations", {}))


def is_handled(found):
    return any(each.endswith("last-handled-configuration") for each in kept(found))


async def main():
    define()
    before.Directory.remove = asleep
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(kopf.operator(namespace=SPACE, memo=kopf.Memo(), ready_flag=ready, stop_flag=stop))
    await ready.wait()
    for name in ("hello", "going"):
        body = {"apiVersion": f"{GROUP}/v1", "kind": "Greeting", "metadata": {"name": name}, "spec": {"text": "hi"}}
        await asyncio.to_thread(custom.create_namespaced_custom_object, *PLACE, body)
        await seen(name, is_handled)
    await asyncio.to_thread(custom.delete_namespaced_custom_object, *PLACE, "going")
    going = await seen("going", lambda found: any(each.endswith("/forget") for each in kept(found)))
    stop.set()
    await running
    print("waits:", going["metadata"]["finalizers"], kept(going))
    hello = custom.get_namespaced_custom_object(*PLACE, "hello")
    print("left:", hello["metadata"]["finalizers"], kept(hello), hello.get("status"))
    child = core.read_namespaced_config_map("hello", SPACE)
    owner = child.metadata.owner_references[0]
    managers = [(each.manager, each.operation) for each in child.metadata.managed_fields]
    print("child:", owner.kind, owner.controller, owner.block_owner_deletion, managers)


kubernetes.config.load_config()
core, custom = kubernetes.client.CoreV1Api(), kubernetes.client.CustomObjectsApi()
asyncio.run(main())
