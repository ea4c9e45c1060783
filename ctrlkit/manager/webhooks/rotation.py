"""
What is to be done next about the certificates of webhooks, and which of them a replica serves. Pure.

    nothing is stored      ⇒ an authority and its certificate, in one write
    an authority is new    ⇒ into every caBundle ⇒ `settle_s` later it signs ⇒ every replica serves what it signed
    an authority has ended ⇒ out of what is stored, and out of every caBundle

In       What a replica sees: what is stored, what the caBundles hold, what it serves. Any of it may be old.
Out      A Plan: at most one write of what is stored, patches of configurations, and when to look again; and `to_serve`.
Holds    V-a  Every caBundle in force verifies every certificate that a ready replica serves, whoever does which step
              when: for a caBundle only grows while its authorities live, an authority signs only after all of them
              hold it, and no certificate outlives its authority.
         V-b  What somebody takes away by hand comes back with the first step of a replica that sees it: an emptied
              caBundle by one patch; a lost or damaged store from the memory of a replica that has it, or else by a new
              authority, to which a replica that serves something good changes only when every caBundle holds it.
Needs    Writes are refused where what was read has changed since (resourceVersion). Clocks differ by `skew_s` at most.
Units    Times are seconds since 1970; `..._s` are seconds.

docs/decisions/0020 has the reasons. Rows W1, W11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final, Protocol

from ctrlkit.wire.secrets import NO_PEM, Pem

AUTHORITY_DAYS: Final = 365
CERTIFICATE_DAYS: Final = 90
SETTLE_S: Final = 600.0
SKEW_S: Final = 3600.0
_LEFT: Final = 0.3
"""Authorities and certificates are replaced when this part of their life is left."""

_WORTH: Final = 0.1
"""A certificate is made again for a later end, if that gains this part of a life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """
    How long authorities and certificates live, and how careful a change of the authority is.

    `settle_s`: so long every caBundle must have held an authority before it signs: servers learn of a change late.
    `skew_s`: how far clocks may differ.
    Errors  ValueError where a certificate could not live out its time under an authority that is being replaced.
    """

    authority_s: float = AUTHORITY_DAYS * 86400.0
    certificate_s: float = CERTIFICATE_DAYS * 86400.0
    settle_s: float = SETTLE_S
    skew_s: float = SKEW_S

    def __post_init__(self) -> None:
        if self.certificate_s > self.authority_s * _LEFT or self.certificate_s < 6 * (self.settle_s + self.skew_s):
            raise ValueError(
                f"Lives: a certificate must live at most {_LEFT:.0%} of its authority's time and at least six times "
                f"settle_s and skew_s together, got {self}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate that signs others; without `key` it verifies alone. `id` is its fingerprint."""

    id: str
    begins: float
    ends: float
    pem: Pem = field(default=NO_PEM, compare=False)
    key: Pem = field(default=NO_PEM, compare=False)

    def can_sign(self, now: float) -> bool:
        """Whether certificates of it can be made, and be good."""
        return bool(self.key) and self.begins <= now < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """The certificate of the server for `names`, signed by `authority`."""

    id: str
    authority: Authority
    begins: float
    ends: float
    names: frozenset[str]
    pem: Pem = field(default=NO_PEM, compare=False)
    key: Pem = field(default=NO_PEM, compare=False)

    def is_good(self, now: float) -> bool:
        """Whether it has begun, and has not ended."""
        return self.begins <= now < self.ends


@dataclass(frozen=True, slots=True)
class Vault:
    """What is stored, as far as it can be used: the authorities, oldest first, and the certificate."""

    authorities: tuple[Authority, ...] = ()
    leaf: Leaf | None = None

    def living(self, now: float) -> tuple[Authority, ...]:
        """The authorities that have not ended."""
        return tuple(one for one in self.authorities if now < one.ends)

    def is_good(self, now: float) -> bool:
        """Whether there is a certificate that has not ended."""
        return self.leaf is not None and self.leaf.is_good(now)


EMPTY: Final = Vault()


@dataclass(frozen=True, slots=True)
class Place:
    """A configuration or definition: what its caBundles hold, by the names of its webhooks ("" for a conversion)."""

    name: str
    bundles: Mapping[str, tuple[Authority, ...]]

    def holds(self, authority: Authority) -> bool:
        """Whether all of its caBundles hold an authority."""
        return all(authority in bundle for bundle in self.bundles.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """
    All that a replica sees.

    Shape   `names`: what the server is called. `held_since`: for each authority that all caBundles hold, since when, as
            this replica saw it. `remembered`: the last good vault that this replica saw.
    """

    names: frozenset[str]
    vault: Vault
    places: Sequence[Place] = ()
    held_since: Mapping[Authority, float] = field(default_factory=dict)
    serving: Leaf | None = None
    remembered: Vault = EMPTY

    def is_held(self, authority: Authority) -> bool:
        """Whether every caBundle holds it."""
        return all(place.holds(authority) for place in self.places)

    def is_settled(self, authority: Authority, now: float, lives: Lives) -> bool:
        """Whether every caBundle has held it for long enough."""
        return self.is_held(authority) and now >= self.held_since.get(authority, inf) + lives.settle_s


# ---- steps ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restore:
    """Store again what this replica remembers and the store has lost."""

    vault: Vault


@dataclass(frozen=True, slots=True)
class Begin:
    """Make an authority and a certificate of it at once: there is none that could be served."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class AddAuthority:
    """Make an authority that does not sign yet."""


@dataclass(frozen=True, slots=True)
class Issue:
    """Make a certificate."""

    signer: Authority
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget the authorities that have ended."""


Write = Restore | Begin | AddAuthority | Issue | Drop


@dataclass(frozen=True, slots=True)
class Patch:
    """Give the caBundles of a configuration what they are to hold."""

    place: str
    bundles: Mapping[str, tuple[Authority, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and the time at which there may be more to do though nothing is seen to change."""

    write: Write | None
    patches: tuple[Patch, ...]
    until: float


class Maker(Protocol):
    """Makes keys and certificates."""

    def authority(self, *, begins: float, ends: float) -> Authority:
        """Make an authority."""
        ...

    def leaf(self, signer: Authority, names: frozenset[str], *, begins: float, ends: float) -> Leaf:
        """Make a certificate."""
        ...


# ---- the plan -------------------------------------------------------------------------------------------------------


def plan(view: View, now: float, lives: Lives) -> Plan:
    """Say what is to be done."""
    return Plan(
        write=_write(view, now, lives),
        patches=tuple(patch for place in view.places if (patch := _patch(place, view, now, lives)) is not None),
        until=_until(view, now, lives),
    )


def to_serve(view: View, now: float, lives: Lives) -> Leaf | None:
    """Return the certificate that a replica serves from now on: the stored one, if it is verified where its own is."""
    stored, own = view.vault.leaf, view.serving
    if stored is None or not stored.is_good(now):
        return own
    if own is None or not own.is_good(now) or stored.authority == own.authority:
        return stored
    if view.is_settled(stored.authority, now, lives):
        return stored
    is_needed = view.is_held(stored.authority) and not view.is_held(own.authority)
    return stored if is_needed else own


def unready(view: View, now: float, lives: Lives) -> str:
    """Return why calls of a server would fail at this replica; "" where they would not."""
    own = view.serving
    if own is None:
        return "there is no certificate to serve yet"
    if not own.is_good(now + lives.skew_s):
        return "the certificate that is served has ended, or is about to"
    lacking = [place.name for place in view.places if not place.holds(own.authority)]
    return f"the caBundle of {', '.join(lacking)} does not verify the certificate that is served" if lacking else ""


def remember(remembered: Vault, seen: Vault, now: float) -> Vault:
    """Return what a replica remembers after it saw what is stored."""
    return Vault(merged(remembered, seen, now), seen.leaf if seen.is_good(now) else remembered.leaf)


def sightings(before: Mapping[Authority, float], places: Sequence[Place], now: float) -> dict[Authority, float]:
    """Return since when all caBundles hold which authority, as a replica saw it that now sees `places`."""
    held = {one for place in places for bundle in place.bundles.values() for one in bundle}
    return {one: before.get(one, now) for one in held if all(place.holds(one) for place in places)}


def written(step: Write, vault: Vault, maker: Maker, now: float, lives: Lives) -> Vault:
    """Return what is to be stored in place of `vault`."""
    match step:
        case Restore(restored):
            return restored
        case Begin(names):
            added = _new_authority(maker, now, lives)
            return Vault((*vault.authorities, added), _new_leaf(maker, added, names, now, lives))
        case AddAuthority():
            return replace(vault, authorities=(*vault.authorities, _new_authority(maker, now, lives)))
        case Issue(signer, names):
            return replace(vault, leaf=_new_leaf(maker, signer, names, now, lives))
        case Drop():
            return replace(vault, authorities=tuple(one for one in vault.authorities if not _is_over(one, now, lives)))


def _new_authority(maker: Maker, now: float, lives: Lives) -> Authority:
    return maker.authority(begins=now - lives.skew_s, ends=now + lives.authority_s)


def _new_leaf(maker: Maker, signer: Authority, names: frozenset[str], now: float, lives: Lives) -> Leaf:
    return maker.leaf(signer, names, begins=now - lives.skew_s, ends=_end_under(signer, now, lives))


def _end_under(signer: Authority, now: float, lives: Lives) -> float:
    return min(now + lives.certificate_s, signer.ends)


# ---- what to store --------------------------------------------------------------------------------------------------


def _write(view: View, now: float, lives: Lives) -> Write | None:
    vault = view.vault
    whole = merged(view.remembered, vault, now)
    if not vault.is_good(now) and view.remembered.is_good(now):
        return Restore(Vault(whole, view.remembered.leaf))
    if _has_lost(vault, whole):
        return Restore(Vault(whole, vault.leaf))
    leaf = vault.leaf
    if leaf is None or not leaf.is_good(now):
        return _recovery(view, now, lives)
    return _renewed(view, leaf, now, lives)


def merged(remembered: Vault, vault: Vault, now: float) -> tuple[Authority, ...]:
    """Return the authorities of `vault`, and those that live of `remembered`, oldest first, with their keys."""
    found: dict[Authority, Authority] = {}
    for one in (*vault.authorities, *remembered.living(now)):
        if one not in found or (one.key and not found[one].key):
            found[one] = one
    return tuple(sorted(found.values(), key=_age))


def _has_lost(vault: Vault, whole: Sequence[Authority]) -> bool:
    there = {one: bool(one.key) for one in vault.authorities}
    return any(one not in there or (one.key and not there[one]) for one in whole)


def _recovery(view: View, now: float, lives: Lives) -> Write:
    """There is no certificate: an authority that every caBundle holds, or any, signs one at once."""
    able = [one for one in view.vault.authorities if one.can_sign(now + lives.skew_s)]
    signer = _last(filter(view.is_held, able)) or _last(able)
    return Begin(view.names) if signer is None else Issue(signer, view.names)


def _renewed(view: View, leaf: Leaf, now: float, lives: Lives) -> Write | None:
    """There is a certificate that is good."""
    signer = _signer(view, leaf, now, lives)
    if signer is not None and not view.names <= leaf.names:
        return Issue(signer, view.names | leaf.names)
    if signer is not None and _is_better(leaf, signer, now, lives):
        return Issue(signer, view.names)
    if now >= _authority_renewal(view.vault, lives):
        return AddAuthority()
    return Drop() if any(_is_over(one, now, lives) for one in view.vault.authorities) else None


def _signer(view: View, leaf: Leaf, now: float, lives: Lives) -> Authority | None:
    """The newest authority that may sign: one that every caBundle has held for long enough, or the present one."""
    able = [one for one in view.vault.authorities if one.can_sign(now)]
    return _last(one for one in able if one == leaf.authority or view.is_settled(one, now, lives))


def _is_better(leaf: Leaf, signer: Authority, now: float, lives: Lives) -> bool:
    if _age(signer) > _age(leaf.authority):
        return True
    gain = _end_under(signer, now, lives) - leaf.ends
    return now >= _renewal(leaf, lives) and gain >= lives.certificate_s * _WORTH


def _authority_renewal(vault: Vault, lives: Lives) -> float:
    """When there is to be another authority: when the last that can sign is to be replaced; at once if none can."""
    return max((_renewal(one, lives) for one in vault.authorities if one.key), default=-inf)


def _renewal(one: Authority | Leaf, lives: Lives) -> float:
    """When it is to be replaced."""
    return one.ends - (one.ends - one.begins - lives.skew_s) * _LEFT


def _is_over(one: Authority, now: float, lives: Lives) -> bool:
    """Whether it has ended by everybody's clock."""
    return now >= one.ends + lives.skew_s


def _age(one: Authority) -> tuple[float, str]:
    return one.begins, one.id


def _last(authorities: Iterable[Authority]) -> Authority | None:
    return max(authorities, key=_age, default=None)


# ---- what caBundles hold --------------------------------------------------------------------------------------------


def _patch(place: Place, view: View, now: float, lives: Lives) -> Patch | None:
    wanted = [*view.vault.living(now), *(leaf.authority for leaf in (view.vault.leaf, view.serving) if leaf)]
    bundles = {name: _bundle(held, wanted, now, lives) for name, held in place.bundles.items()}
    return None if bundles == place.bundles else Patch(place.name, bundles)


def _bundle(held: Sequence[Authority], wanted: Iterable[Authority], now: float, lives: Lives) -> tuple[Authority, ...]:
    """What is there and may be needed by somebody, known or not, and what is wanted."""
    return tuple(one for one in dict.fromkeys((*held, *wanted)) if not _is_over(one, now, lives))


def _until(view: View, now: float, lives: Lives) -> float:
    return min((moment for moment in _moments(view, lives) if moment > now), default=inf)


def _moments(view: View, lives: Lives) -> Iterable[float]:
    vault = view.vault
    held = (one for place in view.places for bundle in place.bundles.values() for one in bundle)
    for leaf in (vault.leaf, view.serving):
        if leaf is not None:
            yield from (_renewal(leaf, lives), leaf.ends)
    yield _authority_renewal(vault, lives)
    yield from (moment for one in (*vault.authorities, *held) for moment in (one.ends, one.ends + lives.skew_s))
    yield from (since + lives.settle_s for since in view.held_since.values())
