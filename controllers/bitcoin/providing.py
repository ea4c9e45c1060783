"""
Sees to it that nodes can run: credentials, the Secret that they mount, and the objects that make their pods.

    credentials wanted ⇒ rotation ⇒ Secret NAME-config ⇒ Service, StatefulSets and policies ⇒ members

Of a network made before, only what it had then is seen to (legacy.py). Of a paused one nothing is: it is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Final

from ctrlkit.bitcoin.bitcoin_conf import ports_of
from ctrlkit.bitcoin.caches import Caches, Seen
from ctrlkit.bitcoin.configs import ConfigStore
from ctrlkit.bitcoin.credentials import CredentialStore
from ctrlkit.bitcoin.facts import Member, Provision
from ctrlkit.bitcoin.layout import desired_objects, groups_of, is_settled, members_of, running_images, writers_of
from ctrlkit.bitcoin.legacy import (
    DEFAULT_CREDENTIALS,
    MadeBefore,
    as_made_before,
    beside,
    leftovers,
    released,
    replaceable,
    statefulset_made_before,
    upgrade_brings,
    with_leftovers,
)
from ctrlkit.bitcoin.names import credentials_name, service_name, statefulset_name
from ctrlkit.bitcoin.network import BITCOIN_NETWORKS, MAIN_GROUP, BitcoinNetwork, DeletionPolicy
from ctrlkit.bitcoin.objects import Pod, StatefulSet
from ctrlkit.bitcoin.owned import OwnedObjects
from ctrlkit.bitcoin.reasons import Trouble
from ctrlkit.bitcoin.removal import removal_of
from ctrlkit.bitcoin.rotation import ConfigState, next_config
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.bitcoin.versions import (
    DEFAULT_IMAGE,
    chosen_image,
    has_newer_default,
    options_of,
    refused_change,
)
from ctrlkit.client import Client
from ctrlkit.clock import monotonic
from ctrlkit.events import EventRecorder, EventType
from ctrlkit.model import AnyResource, ObjectKey, ObjectMeta

REREAD_S: Final = 60.0
"""Seconds until the Secrets of a network are read again: no watch tells that one was changed or deleted."""

REREAD_SOON_S: Final = 10.0
"""The same while a pod has yet to start its node, which may be for want of NAME-config."""

_JITTER_S: Final = 1.0
"""So much earlier is early enough: a pass that comes a moment before its time is not followed by another one."""

_SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided(Provision):
    """
    What nodes there are, and how they are called.

    Shape   `network`: the one that is seen to, where nodes that the spec has no more stay for now (removal.py).
            `members` are all its nodes, `replaceable` those that a rollout may be about. `credentials` are those in
            force; None while no node has any. `port`: where the nodes take calls. `again_s`: seconds until the Secrets
            are to be read again. `is_settled`: what makes pods is as the spec says, so one that is not updated has to
            be replaced. `is_begun`: there was nothing of it before this pass.
    """

    network: BitcoinNetwork
    members: tuple[Member, ...]
    port: int
    replaceable: tuple[Member, ...] = ()
    credentials: Credentials | None = None
    again_s: float = REREAD_S
    is_settled: bool = False
    is_begun: bool = False


class Provider:
    """
    Provides networks with what their nodes need.

    Errors  Blocked where an object cannot be created or used; those of the client.
    """

    def __init__(self, *, caches: Caches, client: Client, recorder: EventRecorder, namespace: str = "") -> None:
        self._namespace = namespace
        self._caches = caches
        self._owned = OwnedObjects(
            services=caches.services.lister,
            budgets=caches.budgets.lister,
            policies=caches.policies.lister,
            client=client,
            recorder=recorder,
            created=self._note_created,
        )
        self._made_before = MadeBefore(client, recorder)
        self._recorder = recorder
        self._configs = ConfigStore(client, created=self._note_created)
        self._credentials = CredentialStore(client, created=self._note_created)
        self._read_at: dict[ObjectKey, float] = {}
        self._created: dict[ObjectKey, list[tuple[AnyResource, str]]] = {}

    async def provide(self, network: BitcoinNetwork, seen: Seen) -> Provided:
        """See to the objects of a network, and return what nodes it has."""
        again_s = self._reread_when_due(network.metadata.key, seen)
        try:
            return replace(await self._provide(network, seen), again_s=again_s)
        finally:
            self._tell_created(network.metadata)

    def _reread_when_due(self, network: ObjectKey, seen: Seen) -> float:
        """Have both Secrets read again where it is time; return in how many seconds it is the next time."""
        every_s, now = REREAD_SOON_S if any(map(_is_to_start, seen.pods)) else REREAD_S, monotonic()
        age_s = now - self._read_at.get(network, -math.inf)
        if age_s < every_s - _JITTER_S:
            return every_s - age_s
        self.reread(network)
        self._read_at[network] = now
        return every_s

    async def _provide(self, network: BitcoinNetwork, seen: Seen) -> Provided:
        await self._owned.keep_finalizer(network)
        old = statefulset_made_before(network, seen.statefulsets)
        if old is not None:
            return await self._as_before(network, seen, old)
        config = await self._configs.read(network)
        is_begun = config is None and not (seen.statefulsets or seen.pods)
        if network.spec.paused:
            running = running_images(network, seen.statefulsets, seen.pods)
            return replace(_provided(network, seen, seen.statefulsets, config), images=running)
        removal = removal_of(network, seen.statefulsets, seen.pods, seen.claims)
        now, network = removal.wanted, removal.network
        left_alone = {statefulset_name(network.metadata.name, group) for group in removal.groups}
        kept = tuple(one for one in seen.statefulsets if one.metadata.name in left_alone)
        sets = tuple(one for one in seen.statefulsets if one.metadata.name not in left_alone)
        wanted = await self._credentials.read(network)
        trouble = wanted if isinstance(wanted, Trouble) else None
        if isinstance(wanted, Credentials):
            all_updated = config is not None and wanted != config.in_force and _all_updated(network, seen, config)
            config = next_config(config, wanted, salt=token_hex(_SALT_BYTES), all_updated=all_updated)
            await self._configs.write(now, config, kept=removal.groups)
        if config is None:  # no node may start with credentials that nobody chose
            return replace(_provided(network, seen, seen.statefulsets, None), trouble=trouble)
        running = running_images(now, sets, seen.pods)
        written_by = writers_of(now, seen.pods, seen.claims)
        choice = choose_images(now, running, written_by)
        objects = desired_objects(now, config, choice.images, controller_namespace=self._namespace)
        wanted_objects = beside(now, objects, leftovers(now, seen.pods))
        ensured = await self._owned.ensure(now, wanted_objects, sets, seen.claims)
        await self._owned.prune(now, objects, sets)
        provided = _provided(network, seen, ensured.statefulsets + kept, config)
        return replace(
            provided,
            replaceable=tuple(one for one in provided.replaceable if one.group not in removal.groups),
            trouble=trouble,
            is_settled=is_settled(now, ensured.statefulsets, config),
            is_begun=is_begun,
            is_rotating=isinstance(wanted, Credentials) and wanted != config.in_force,
            images=_taken(now, choice.images, running, sets, ensured.statefulsets),
            refused="; ".join(filter(None, (choice.refused, ensured.refused))),
            removal=removal.why,
            newer_image=choice.newer,
            written_by=written_by,
        )

    async def _as_before(self, network: BitcoinNetwork, seen: Seen, statefulset: StatefulSet) -> Provided:
        kept = as_made_before(network)
        meta = network.metadata
        if not network.spec.paused:
            service = self._caches.services.lister.find(ObjectKey(meta.namespace, service_name(meta.name)))
            await self._made_before.ensure(kept, service, statefulset)
        found: Credentials | Trouble = DEFAULT_CREDENTIALS
        if network.spec.secret:
            found = await self._credentials.read(kept)
        trouble = found if isinstance(found, Trouble) else None
        members = members_of(kept, seen.statefulsets, seen.pods, seen.claims)
        return Provided(
            network=network,
            members=with_leftovers(kept, members, released(kept, seen.pods)),
            port=ports_of(kept.spec)[0],
            credentials=found if isinstance(found, Credentials) else None,
            trouble=trouble,
            secret=network.spec.secret or "",
            images={MAIN_GROUP: statefulset.spec.template.spec.containers[0].image},
            made_before=upgrade_brings(network),
        )

    async def release(self, meta: ObjectMeta, seen: Seen, policy: DeletionPolicy) -> None:
        """Leave the objects of a network that is being deleted, where its deletion policy wants that."""
        await self._owned.release(meta, seen.statefulsets, policy)

    def reread(self, network: ObjectKey) -> None:
        """Read the Secrets of a network again: a node refused what they said, or it is time."""
        self._configs.reread(network)
        self._credentials.forget(network)

    def forget(self, network: ObjectKey) -> None:
        """Forget a network that is gone."""
        self._configs.forget(network)
        self._credentials.forget(network)
        self._read_at.pop(network, None)

    def _note_created(self, network: ObjectMeta, resource: AnyResource, name: str) -> None:
        self._created.setdefault(network.key, []).append((resource, name))

    def _tell_created(self, network: ObjectMeta) -> None:
        """Record one Event for all that a pass created."""
        created = self._created.pop(network.key, ())
        if created:
            reason = "Created" if len(created) > 1 else f"Created{created[0][0].kind}"
            text = ", ".join(f"{resource.kind.lower()} {name}" for resource, name in created)
            self._recorder.event(network, BITCOIN_NETWORKS, EventType.NORMAL, reason, f"created {text}")


def _is_to_start(pod: Pod) -> bool:
    """Whether a Kubernetes node has a pod whose node was not started yet, as far as is known."""
    return bool(pod.spec.node_name) and not pod.metadata.deleting and not pod.ran()


def _all_updated(network: BitcoinNetwork, seen: Seen, config: ConfigState) -> bool:
    """Whether every pod runs with what the Secret NAME-config says now."""
    return all(node.is_updated for node in _provided(network, seen, seen.statefulsets, config).members)


def _provided(
    network: BitcoinNetwork, seen: Seen, statefulsets: Iterable[StatefulSet], config: ConfigState | None
) -> Provided:
    left = leftovers(network, seen.pods)
    members = with_leftovers(network, members_of(network, statefulsets, seen.pods, seen.claims, config), left)
    return Provided(
        network=network,
        members=members,
        port=ports_of(network.spec)[0],
        replaceable=replaceable(network, members, left),
        credentials=None if config is None else config.in_force,
        secret=network.spec.secret or credentials_name(network.metadata.name),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """The image of each group; why a change of it is `refused`, and the `newer` default that nobody asked for yet."""

    images: Mapping[str, str]
    refused: str = ""
    newer: str = ""


def choose_images(network: BitcoinNetwork, running: Mapping[str, str], written_by: Mapping[str, str]) -> Choice:
    """
    Return the image of each group; `running` has those of groups that were made, `written_by` who wrote their chains.

    A change that the chains of a group cannot take is not made: the group stays with what it runs, also while it rests.
    """
    images: dict[str, str] = {}
    refused: list[str] = []
    newer = ""
    for group in groups_of(network.spec):
        options, before = options_of(network.spec, group), running.get(group)
        image = chosen_image(options, before)
        if before is not None and image != before:
            why = refused_change(network.spec, options, image, [written_by.get(group, "")])
            refused += [why] if why else []
            image = before if why else image
        if has_newer_default(options, image):
            newer = DEFAULT_IMAGE
        images[group] = image
    return Choice(images, "; ".join(refused), newer)


def _taken(
    network: BitcoinNetwork,
    chosen: Mapping[str, str],
    running: Mapping[str, str],
    before: Iterable[StatefulSet],
    after: Iterable[StatefulSet],
) -> dict[str, str]:
    """Return the image of each group to be remembered: the one chosen, or what ran where the server refused that."""
    had, has = ({one.metadata.name: one.image for one in sets} for sets in (before, after))
    images = {}
    for group, image in chosen.items():
        name = statefulset_name(network.metadata.name, group)
        is_refused = name in had and had[name] == has.get(name) != image
        images[group] = running.get(group, image) if is_refused else image
    return images
