"""What docs/coming-from-kopf.md says of kopf, tried: each line that is printed is a sentence there."""

import asyncio
import datetime as dt
import json
import os
import threading

import kopf
import kubernetes

SPACE = os.environ["NAMESPACE"]
GROUP = "claims.example.com"
KINDS = {"boats": "Boat", "rafts": "Raft"}
calls, pair = asyncio.Queue(), asyncio.Barrier(2)


@kopf.on.startup()
async def configure(settings, **_):
    settings.persistence.finalizer = f"{GROUP}/finalizer"


@kopf.on.create(GROUP, "boats")
async def made(name, memo, **_):
    if name.startswith("pair") and memo.first:
        await pair.wait()
    calls.put_nowait(("created", name))
    return {"by": name}


@kopf.on.create(GROUP, "boats", labels={"leaks": kopf.PRESENT})
def failing(**_):
    calls.put_nowait(("in the main thread", threading.current_thread() is threading.main_thread()))
    raise OSError("a leak")


@kopf.on.update(GROUP, "boats", field="spec.sails")
async def changed(old, new, **_):
    calls.put_nowait(("updated", old, new))


@kopf.on.delete(GROUP, "boats")
async def sunk(**_):
    pass


@kopf.on.create(GROUP, "rafts")
async def drifting(**_):
    calls.put_nowait(("created", "raft"))


class Running:
    """An operator for the length of a block; `first` is whether handlers of two objects are to meet."""

    def __init__(self, *, first=False):
        self.first = first
        self.stop = asyncio.Event()

    async def __aenter__(self):
        ready, memo = asyncio.Event(), kopf.Memo(first=self.first)
        operator = kopf.operator(namespace=SPACE, memo=memo, ready_flag=ready, stop_flag=self.stop)
        self.task = asyncio.create_task(operator)
        await ready.wait()

    async def __aexit__(self, *_):
        self.stop.set()
        await self.task


def define():
    """The kinds and the namespace."""
    open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    for plural, kind in KINDS.items():
        names = {"plural": plural, "singular": kind.lower(), "kind": kind}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": open_schema}}
        spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
        head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        extensions.create_custom_resource_definition({**head, "metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec})
        watch = kubernetes.watch.Watch()
        for event in watch.stream(
            extensions.list_custom_resource_definition, field_selector=f"metadata.name={plural}.{GROUP}"
        ):
            if any(each.type == "Established" for each in event["object"].status.conditions or ()):
                watch.stop()
    core.create_namespace({"metadata": {"name": SPACE}})


def make(plural, name, **metadata):
    body = {"apiVersion": f"{GROUP}/v1", "kind": KINDS[plural], "spec": {"sails": 1}}
    body["metadata"] = {"name": name, **metadata}
    custom.create_namespaced_custom_object(GROUP, "v1", SPACE, plural, body)


def get(plural, name):
    return custom.get_namespaced_custom_object(GROUP, "v1", SPACE, plural, name)


def patch(name, body):
    custom.patch_namespaced_custom_object(GROUP, "v1", SPACE, "boats", name, body)


async def handled(name):
    """An object, once kopf has written down that it is handled; seen by a watch."""
    watch = kubernetes.watch.Watch()
    stream = watch.stream(
        custom.list_namespaced_custom_object, GROUP, "v1", SPACE, "boats", field_selector=f"metadata.name={name}"
    )
    while True:
        seen = (await asyncio.to_thread(next, stream))["object"]
        if "kopf.zalando.org/last-handled-configuration" in seen["metadata"].get("annotations", {}):
            watch.stop()
            return seen


async def call():
    return await asyncio.wait_for(calls.get(), 60)


async def main():
    define()
    async with Running(first=True):
        make("boats", "pair-1")
        make("boats", "pair-2")
        print("handlers of two objects at once:", sorted([await call(), await call()]))
        seen = await handled("pair-1")
        print("kept:", sorted(seen["metadata"]["annotations"]), seen["metadata"]["finalizers"], seen["status"])
        make("rafts", "one")
        print("no finalizer without a reason:", await call(), get("rafts", "one")["metadata"].get("finalizers"))
        make("boats", "leaky", labels={"leaks": "yes"})
        print("a plain function:", sorted([await call(), await call()]))
        await retried("leaky")
    patch("pair-1", {"spec": {"sails": 2}})
    patch("pair-1", {"spec": {"sails": 3}})
    patch("pair-2", {"metadata": {"annotations": {"kopf.zalando.org/last-handled-configuration": None}}})
    async with Running():
        print("what happened meanwhile:", *sorted([await call(), await call()]))


async def retried(name):
    """Say when what failed comes again, and whether an Event told of it."""
    watch = kubernetes.watch.Watch()
    stream = watch.stream(
        custom.list_namespaced_custom_object, GROUP, "v1", SPACE, "boats", field_selector=f"metadata.name={name}"
    )
    while True:
        seen = (await asyncio.to_thread(next, stream))["object"]
        said = json.loads(seen["metadata"].get("annotations", {}).get("kopf.zalando.org/failing", "{}"))
        if "delayed" in said:
            break
    watch.stop()
    delay = dt.datetime.fromisoformat(said["delayed"]) - dt.datetime.fromisoformat(said["started"])
    events = [event.reason for event in core.list_namespaced_event(SPACE).items]
    print("again after:", round(delay.total_seconds()), "s; Events:", events)


kubernetes.config.load_config()
core, custom = kubernetes.client.CoreV1Api(), kubernetes.client.CustomObjectsApi()
extensions = kubernetes.client.ApiextensionsV1Api()
asyncio.run(main())
