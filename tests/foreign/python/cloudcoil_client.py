"""cloudcoil: pydantic models and builders, save, watch, wait_for, a kind without a model, and a cache."""

import asyncio
import os
import threading

from cloudcoil import errors
from cloudcoil.client import Config
from cloudcoil.models.kubernetes import core
from cloudcoil.models.kubernetes.apps.v1 import Deployment
from cloudcoil.models.kubernetes.core.v1 import ConfigMap, Secret, Service
from cloudcoil.resources import get_dynamic_resource

SPACE = os.environ["NAMESPACE"]


def objects():
    """Objects of the models, built and saved."""
    core.v1.Namespace(metadata={"name": SPACE}).create()
    with Deployment.new() as web:
        with web.metadata() as metadata:
            metadata.name("web").labels({"app": "web"})
        with web.spec() as spec:
            spec.replicas(0)
            spec.selector(lambda selector: selector.match_labels({"app": "web"}))
            with spec.template() as template:
                template.metadata(lambda pod: pod.labels({"app": "web"}))
                template.spec({"containers": [{"name": "web", "image": "example/web:1"}]})
    made = web.build().save()
    print("deployment:", made.spec.replicas, made.spec.strategy.type)
    ports = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    print("service:", Service(metadata={"name": "web"}, spec=ports).create(dry_run=True).spec.type)
    print("secret:", Secret(metadata={"name": "key"}, string_data={"word": "hi"}).create().data)
    jobs = get_dynamic_resource("Job", "batch/v1")
    pod = {"restartPolicy": "Never", "containers": [{"name": "once", "image": "example/once:1"}]}
    job = jobs(metadata={"name": "once"}, spec={"suspend": True, "template": {"spec": pod}}).create()
    print("job:", job["spec"]["suspend"], "controller-uid" in str(job["spec"]["selector"]))
    try:
        core.v1.Pod.get("absent")
    except errors.ResourceNotFound:
        print("pod: none")


def changed():
    """Changes of a ConfigMap, and what a watch in another thread says of them."""
    settings = ConfigMap(metadata={"name": "a"}, data={"k": "1"}).create()
    version, seen = settings.resource_version, []

    def watch():
        with Config(namespace=SPACE):
            for kind, found in ConfigMap.watch(field_selector="metadata.name=a", resource_version=version):
                seen.append((kind.value if hasattr(kind, "value") else kind, found.data))
                if "DELETED" in seen[-1]:
                    break

    watching = threading.Thread(target=watch)
    watching.start()
    settings.data["k"] = "2"
    settings = settings.update()
    settings.remove()
    watching.join(60)
    print("watched:", seen)


async def awaited():
    """The same asynchronously, with a wait."""
    made = await ConfigMap(metadata={"name": "b"}, data={"k": "1"}).async_create()
    waiting = asyncio.create_task(made.async_wait_for(lambda kind, found: found.data["k"] == "2", timeout=60))
    again = await ConfigMap.async_get("b")
    again.data["k"] = "2"
    await again.async_update()
    await waiting
    print("awaited:", [found.data["k"] async for found in await ConfigMap.async_list(field_selector="metadata.name=b")])


with Config(namespace=SPACE):
    objects()
    changed()
    asyncio.run(awaited())
with Config(namespace=SPACE, cache=True):
    print("cached:", ConfigMap.get("b").data)
