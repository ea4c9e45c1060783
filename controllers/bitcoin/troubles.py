"""Finds out why pods of a network do not run: from the caches, and from Events where those explain nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ctrlkit import clock
from ctrlkit.bitcoin.caches import Seen
from ctrlkit.bitcoin.causes import cause_of, events_wanted
from ctrlkit.bitcoin.event_reader import EventReader
from ctrlkit.bitcoin.facts import Member
from ctrlkit.bitcoin.names import claim_name, statefulset_name
from ctrlkit.bitcoin.network import BitcoinNetwork
from ctrlkit.bitcoin.objects import Claim, Pod
from ctrlkit.bitcoin.versions import options_of
from ctrlkit.client import Client
from ctrlkit.model import ObjectKey


class Troubles:
    """
    Says what the pods of networks suffer from.

    Errors  None: what cannot be read is left out.
    """

    def __init__(self, client: Client) -> None:
        self._events = EventReader(client)

    async def told(self, network: BitcoinNetwork, seen: Seen, members: Sequence[Member]) -> tuple[Member, ...]:
        """Return the members, each with the trouble of its pod; those of whom all is known stay as they are."""
        name, pods = network.metadata.name, {pod.metadata.name: pod for pod in seen.pods}
        claims = {member.name: _claims(member, pods.get(member.name), seen.claims) for member in members}
        sets = {one.metadata.name for one in seen.statefulsets}
        wanted = [
            involved
            for member in members
            if _is_open(member) and (made_by := statefulset_name(name, member.group)) in sets
            for involved in events_wanted(member.name, made_by, pods.get(member.name), claims[member.name])
        ]
        events, now = await self._events.read(network.metadata.key, wanted), clock.now()

        def cause(member: Member) -> str:
            options = options_of(network.spec, member.group)
            pod = pods.get(member.name)
            return cause_of(member.name, pod, claims[member.name], events, now=now, options=options)

        return tuple(replace(member, trouble=cause(member)) if _is_open(member) else member for member in members)

    def again_s(self, network: ObjectKey) -> float:
        """Return in how many seconds there may be more to tell; infinite where all is said."""
        due_s = self._events.again_s(network)
        return math.inf if due_s is None else due_s

    def forget(self, network: ObjectKey) -> None:
        """Forget a network that is gone."""
        self._events.forget(network)


def _is_open(member: Member) -> bool:
    """Whether it is not known yet why a node does not run."""
    return not (member.is_ready or member.trouble or member.held_back)


def _claims(member: Member, pod: Pod | None, claims: Iterable[Claim]) -> tuple[Claim, ...]:
    mounted = (claim_name(member.name),) if pod is None else pod.claims
    return tuple(claim for claim in claims if claim.metadata.name in mounted)
