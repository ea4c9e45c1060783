"""
A cluster as the rotation of certificates sees it: what is stored, configurations, and replicas that see them late.

Every write is refused where what was read has changed since, as an API server does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from ctrlkit.manager.webhooks.rotation import (
    EMPTY,
    Authority,
    Leaf,
    Lives,
    Patch,
    Place,
    Plan,
    Vault,
    View,
    Write,
    plan,
    remember,
    sightings,
    to_serve,
    unready,
    written,
)
from ctrlkit.wire.secrets import Pem

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
LIVES = Lives()
NAMES = frozenset({"web.demo.svc"})
LAG_S = 300.0
"""So late a server may learn of a caBundle that was changed."""


@dataclass
class Numbered:
    """A maker of certificates that are numbers."""

    numbers: Iterator[int] = field(default_factory=count)

    def authority(self, *, begins: float, ends: float) -> Authority:
        return Authority(id=f"ca-{next(self.numbers)}", begins=begins, ends=ends, key=Pem("key"))

    def leaf(self, signer: Authority, names: frozenset[str], *, begins: float, ends: float) -> Leaf:
        assert signer.key, "an authority without its key signs nothing"
        assert ends <= signer.ends, "a certificate outlives its authority"
        return Leaf(id=f"leaf-{next(self.numbers)}", authority=signer, begins=begins, ends=ends, names=names)


@dataclass
class Bundle:
    """The caBundle of one configuration, with the times at which it changed."""

    held: tuple[Authority, ...] = ()
    version: int = 0
    changes: list[tuple[float, tuple[Authority, ...]]] = field(default_factory=list)
    owed: set[Authority] = field(default_factory=set)
    """What somebody took away by hand."""
    is_repaired: bool = False

    def put(self, held: tuple[Authority, ...], now: float) -> None:
        self.held = held
        self.version += 1
        self.changes.append((now, held))

    def in_force(self, since: float) -> Iterator[tuple[Authority, ...]]:
        """What it held at any time since."""
        yield self.held
        for (_, held), (until, _) in zip(self.changes, self.changes[1:], strict=False):
            if until > since:
                yield held


@dataclass
class Replica:
    """One process: its clock, and what it has seen so far."""

    ahead_s: float
    vault: tuple[int, Vault] = (-1, EMPTY)
    places: dict[str, tuple[int, tuple[Authority, ...]]] = field(default_factory=dict)
    since: dict[Authority, float] = field(default_factory=dict)
    serving: Leaf | None = None
    remembered: Vault = EMPTY
    ready_at: float | None = None
    """When it was ready for the first time."""


class Cluster:
    """All of it; `now` is the true time."""

    def __init__(self, aheads_s: Iterable[float], places: Iterable[str] = ("a", "b")) -> None:
        self.now = 1_000_000_000.0
        self.maker = Numbered()
        self.stored = EMPTY
        self.version = 0
        self.bundles = {name: Bundle() for name in places}
        self.replicas = [Replica(ahead_s) for ahead_s in aheads_s]
        self.refused = 0
        for bundle in self.bundles.values():
            bundle.put((), self.now)

    # ---- what replicas do --------------------------------------------------------------------------------------------

    def see_vault(self, one: Replica) -> None:
        if one.vault[0] != self.version:
            one.vault = (self.version, self.stored)
            one.remembered = remember(one.remembered, self.stored, self._clock(one))

    def see_place(self, one: Replica, name: str) -> None:
        one.places[name] = (self.bundles[name].version, self.bundles[name].held)
        self._sight(one)

    def see_all(self, one: Replica) -> None:
        self.see_vault(one)
        for name in self.bundles:
            self.see_place(one, name)

    def view(self, one: Replica) -> View:
        return View(
            names=NAMES,
            vault=one.vault[1],
            places=self._places(one),
            held_since=one.since,
            serving=one.serving,
            remembered=one.remembered,
        )

    def plan(self, one: Replica) -> Plan:
        return plan(self.view(one), self._clock(one), LIVES)

    def serve(self, one: Replica) -> None:
        """Take up the certificate to serve; count as ready once it is verified, as it seems from here."""
        if set(one.places) != set(self.bundles) or one.vault[0] < 0:
            return
        one.serving = to_serve(self.view(one), self._clock(one), LIVES)
        if one.ready_at is None and self.ready(one):
            one.ready_at = self.now

    def write(self, one: Replica) -> None:
        step: Write | None = self.plan(one).write
        if step is None or set(one.places) != set(self.bundles):
            return
        if one.vault[0] != self.version:
            self.refused += 1
            return
        self.store(written(step, one.vault[1], self.maker, self._clock(one), LIVES))

    def patch(self, one: Replica, name: str) -> None:
        found: Patch | None = next((each for each in self.plan(one).patches if each.place == name), None)
        if found is None:
            return
        bundle = self.bundles[name]
        if one.places[name][0] != bundle.version:
            self.refused += 1
            return
        bundle.put(found.bundles[""], self.now)
        if bundle.owed <= set(bundle.held):
            if not bundle.is_repaired:
                del bundle.changes[:-1]
            bundle.is_repaired = True

    def restart(self, number: int) -> None:
        self.replicas[number] = Replica(self.replicas[number].ahead_s)

    def turn(self, one: Replica) -> bool:
        """One whole turn of a replica that sees everything as it is; returns whether it had anything to do."""
        self.see_all(one)
        before = (self.version, [bundle.version for bundle in self.bundles.values()], one.serving)
        self.serve(one)
        self.write(one)
        for name in self.bundles:
            self.see_place(one, name)
            self.patch(one, name)
        return before != (self.version, [bundle.version for bundle in self.bundles.values()], one.serving)

    def settle(self, turns: int = 30) -> None:
        """Let every replica take turns until none has anything to do."""
        for _ in range(turns):
            turns_taken = [self.turn(one) for one in self.replicas]
            if not any(turns_taken):
                return
        raise AssertionError("the replicas do not come to rest")

    # ---- what others do ----------------------------------------------------------------------------------------------

    def store(self, vault: Vault) -> None:
        self.stored = vault
        self.version += 1

    def damage(self, change: Callable[[Vault], Vault]) -> None:
        self.store(change(self.stored))

    def empty(self, name: str) -> None:
        """Apply a configuration again from a file without caBundle."""
        bundle = self.bundles[name]
        known = {one for each in self.replicas for one in self._known_to(each)} | set(self.stored.authorities)
        bundle.owed = {one for one in {*bundle.held, *bundle.owed, *self.stored.authorities} if one in known}
        bundle.put((), self.now)
        bundle.is_repaired = False

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    # ---- what must hold ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Every caBundle in force verifies every certificate that a ready replica serves."""
        for one in self.replicas:
            if one.ready_at is None or one.serving is None:
                continue
            if not one.serving.is_good(self._clock(one) + LIVES.skew_s):
                continue  # it says itself that it is not ready
            assert one.serving.begins <= self.now < one.serving.ends
            for name, bundle in self.bundles.items():
                for held in bundle.in_force(max(self.now - LAG_S, one.ready_at)) if bundle.is_repaired else ():
                    assert one.serving.authority in held, f"{name} holds {held}, {one.serving} is served"

    def ready(self, one: Replica) -> bool:
        return not unready(self.view(one), self._clock(one), LIVES)

    def _known_to(self, one: Replica) -> Iterator[Authority]:
        yield from (*one.vault[1].authorities, *one.remembered.authorities)
        if one.serving is not None:
            yield one.serving.authority

    def _clock(self, one: Replica) -> float:
        return self.now + one.ahead_s

    def _places(self, one: Replica) -> list[Place]:
        return [Place(name, {"": held}) for name, (_, held) in one.places.items()]

    def _sight(self, one: Replica) -> None:
        one.since = sightings(one.since, self._places(one), self._clock(one))


def without_keys(vault: Vault) -> Vault:
    """The keys of all authorities are gone."""
    bare = tuple(replace(one, key=Pem()) for one in vault.authorities)
    leaf = vault.leaf and replace(vault.leaf, authority=replace(vault.leaf.authority, key=Pem()))
    return Vault(bare, leaf)


def with_a_stranger(vault: Vault) -> Vault:
    """Somebody has added an authority without its key, from a time to come."""
    stranger = Authority(id="stranger", begins=3e9, ends=4e9)
    return Vault((*vault.authorities, stranger), vault.leaf)


def without_leaf(vault: Vault) -> Vault:
    """The certificate is gone."""
    return Vault(vault.authorities)


def without_oldest(vault: Vault) -> Vault:
    """An authority is gone, and the certificate with it where it was its own."""
    left = vault.authorities[1:]
    return Vault(left, vault.leaf if vault.leaf and vault.leaf.authority in left else None)
