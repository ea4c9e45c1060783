"""
7. A Cache is a Deployment with a Service and a configuration, listed in a registry outside; with webhooks and a scale.

    ctrlkit run examples/ex7_cache.py --apiserver --kubeconfig kc --seed examples/cache.yaml
    kubectl --kubeconfig kc get caches,all; kubectl --kubeconfig kc scale cache orders --replicas 3
    kubectl --kubeconfig kc patch cache orders --type merge -p '{"spec": {"memoryMb": 128}}'
    kubectl --kubeconfig kc get events; kubectl --kubeconfig kc delete cache orders
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct

from ctrlkit import DONE, Context, EventType, Outcome, custom_resource, dependency, digest, reconciler, rollout_of
from ctrlkit.kinds import apps, core
from ctrlkit.model import Column, Condition, Definition, MergePatch, ObjectMeta, ScaleFields
from ctrlkit.webhooks import Denied, Review, mutating, validating


class CacheSpec(Struct, frozen=True, rename="camel", kw_only=True):
    """What a user wants."""

    size: Annotated[int, Meta(ge=0, le=9)] = 1
    memory_mb: Annotated[int, Meta(ge=1)] = 64


class CacheStatus(Struct, frozen=True, kw_only=True):
    """What was found."""

    ready: int = 0
    selector: str = ""
    conditions: tuple[Condition, ...] = ()


class Cache(Struct, frozen=True, kw_only=True):
    """A cache that clients find in the registry."""

    metadata: ObjectMeta
    spec: CacheSpec
    status: CacheStatus = CacheStatus()


READY = Column(name="Ready", type="integer", json_path=".status.ready")
SCALE = ScaleFields(spec_replicas=".spec.size", status_replicas=".status.ready", label_selector=".status.selector")
SAID = Definition(columns=(READY,), scale=SCALE)
CACHES = custom_resource(group="demo.example.com", kind="Cache", plural="caches", definition=SAID).of(Cache)


class Registry:
    """Stands for the client of an API outside of the cluster, which says where caches are."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}

    async def put(self, uid: str, address: str) -> None:
        """List a cache at an address, or with "" nowhere."""
        self.addresses[uid] = address


@dependency
async def registry() -> AsyncIterator[Registry]:
    """Open the client; what stands behind the yield would close it."""
    yield Registry()


def children(cache: Cache) -> tuple[core.ConfigMap, core.Service, apps.Deployment]:
    """What a Cache is made of; each gets its name, its namespace and its owner when it is applied."""
    labels = {"cache": cache.metadata.name}
    config = core.ConfigMap(metadata=ObjectMeta(), data={"redis.conf": f"maxmemory {cache.spec.memory_mb}mb\n"})
    port = core.ServiceSpec(selector=labels, ports=(core.ServicePort(port=6379),))
    volume = core.Volume(name="config", config_map=core.ConfigMapVolumeSource(name=cache.metadata.name))
    mount = core.VolumeMount(name="config", mount_path="/etc/redis")
    redis = core.Container(name="redis", image="redis:8", args=("/etc/redis/redis.conf",), volume_mounts=(mount,))
    marks = ObjectMeta(labels=labels, annotations={"demo.example.com/config": digest(config.data)})  # another one rolls
    template = core.PodTemplateSpec(metadata=marks, spec=core.PodSpec(containers=(redis,), volumes=(volume,)))
    own = core.LabelSelector(match_labels=labels)
    spec = apps.DeploymentSpec(replicas=cache.spec.size, selector=own, template=template)
    return config, core.Service(metadata=ObjectMeta(), spec=port), apps.Deployment(metadata=ObjectMeta(), spec=spec)


@reconciler(CACHES, owns=[core.CONFIG_MAPS, core.SERVICES, apps.DEPLOYMENTS], uses=[registry])
async def caches(cache: Cache, context: Context) -> Outcome:
    """Each line has something be as it should be, and does nothing where it is."""
    config, service, deployment = children(cache)
    before = context.lister(apps.DEPLOYMENTS).find(context.key)
    await context.apply(core.CONFIG_MAPS, config)
    await context.apply(core.SERVICES, service)
    pods = await context.apply(apps.DEPLOYMENTS, deployment)
    if before is not None and before.spec.template != pods.spec.template:
        context.event(EventType.NORMAL, "Rolled", f"the pods are replaced: memoryMb is {cache.spec.memory_mb}")
    await context.use(registry).put(cache.metadata.uid, f"{context.key.name}.{context.key.namespace}:6379")
    done, message = rollout_of(pods)
    ready = Condition(type="Ready", status=str(done), reason="Available" if done else "Rolling", message=message)
    found, labels = pods.status.available_replicas, f"cache={context.key.name}"
    await context.set_status(CacheStatus(ready=found, selector=labels, conditions=(ready,)))
    return DONE


@caches.finalizer("demo.example.com/registry")
async def unlist(cache: Cache, context: Context) -> Outcome:
    """The cluster deletes the children; the deletion waits until the registry knows."""
    await context.use(registry).put(cache.metadata.uid, "")
    return DONE


@mutating(CACHES, operations=["CREATE"])
def sign(_cache: Cache, review: Review[Cache]) -> MergePatch:
    """Write down who made it."""
    return MergePatch({"metadata": {"annotations": {"demo.example.com/made-by": review.user.name}}})


@validating(CACHES)
def check(cache: Cache, review: Review[Cache]) -> None:
    """Refuse what would lose data."""
    if review.old is not None and cache.spec.memory_mb < review.old.spec.memory_mb:
        raise Denied(f"spec.memoryMb: {cache.spec.memory_mb} is less than before; make another Cache and move over")
