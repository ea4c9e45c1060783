"""
Which image a node runs, and which change of its version a chain can take. Pure, over tables.

What is not known is let through: an image with a digest, `latest`, a name that nobody here knows. The rollout changes
one node and goes on only once that node is at the tip, so a version that a chain cannot take costs one node.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from ctrlkit.bitcoin.network import MAIN_GROUP, Configuration, NodeOptions, Spec, remembered

REPOSITORY: Final = "docker.io/bitcoin/bitcoin"
"""Has an image for each release of Bitcoin Core, with bitcoind and bitcoin-cli on PATH for every user."""

DEFAULT_VERSION: Final = "30.2"
DEFAULT_IMAGE: Final = f"{REPOSITORY}:{DEFAULT_VERSION}"
"""What a network is made with whose spec says neither image nor version; networks that run are left with theirs."""


class Family(StrEnum):
    """Programs that keep chains in ways of their own, as their agents name them (`/Satoshi:29.1.0/`)."""

    CORE = "Satoshi"
    BITCOIN_SV = "Bitcoin SV"


_NAMES: Final = {Family.CORE: "Bitcoin Core", Family.BITCOIN_SV: "Bitcoin SV"}


@dataclass(frozen=True, slots=True)
class Barrier:
    """A version of Bitcoin Core from which no chain goes back, and what it writes that older ones cannot read."""

    version: int
    fact: str


BARRIERS: Final = (
    Barrier(280000, "block files are obfuscated"),
    Barrier(150000, "the database of coins has an entry for each output"),
    Barrier(120000, "the database of coins is obfuscated"),
    Barrier(100000, "blocks are kept in the order in which they came"),
)
"""From the release notes of 28.0, 0.15.0, 0.12.0 and 0.10.0: what they say of chains and of earlier versions."""

_VERSION: Final = re.compile(r"v?(?P<numbers>[0-9]+(\.[0-9]+){0,3})([-_]?[a-z].*)?")
_AGENT: Final = re.compile(r"/(?P<name>[^:/]+):(?P<version>[0-9]+(\.[0-9]+)*)")
_FIRST_MAJOR: Final = 22
"""Before it, versions of Bitcoin Core began with `0.`; so a tag such as `v1.0` is none of them."""

_PAIR: Final = ("image", "version")


@remembered
def options_of(spec: Spec, group: str = MAIN_GROUP) -> NodeOptions:
    """
    Return what the nodes of a group are made of: what the group says, and for the rest what the network says.

    Shape   Each field of `configuration` counts on its own, and the lines of `extra` are the group's, then the
            network's. `image` and `version` are one: a group that says either takes neither from the network.

    >>> from ctrlkit.bitcoin.network import Group
    >>> spec = Spec(nodes=3, image="my/bitcoind:1", groups=[Group(name="old", nodes=1, version="27.2")])
    >>> options_of(spec, "old").image, options_of(spec, "old").version, options_of(spec).image
    (None, '27.2', 'my/bitcoind:1')
    """
    said: NodeOptions = next((other for other in spec.groups if other.name == group), NodeOptions())
    has_own_image = any(getattr(said, name) is not None for name in _PAIR)
    options: dict[str, Any] = {}
    for name in NodeOptions.__struct_fields__:
        own, general = getattr(said, name), getattr(spec, name)
        if name in _PAIR:
            options[name] = own if has_own_image else general
        elif isinstance(own, Configuration) and isinstance(general, Configuration):
            options[name] = _merged(own, general)
        else:
            options[name] = general if own is None else own
    return NodeOptions(**options)


def _merged(own: Configuration, general: Configuration) -> Configuration:
    fields = msgspec.structs.asdict(general) | {
        name: value for name, value in msgspec.structs.asdict(own).items() if value is not None
    }
    return Configuration(**fields | {"extra": [*own.extra, *general.extra]})


def chosen_image(options: NodeOptions, running: str | None) -> str:
    """
    Return the image of nodes: the one that is named, that of the version, what runs already, or the default.

    So a new controller with another default changes no network by itself.

    >>> chosen_image(NodeOptions(version="29.3"), "docker.io/bitcoin/bitcoin:28.4")
    'docker.io/bitcoin/bitcoin:29.3'
    >>> chosen_image(NodeOptions(), "docker.io/bitcoin/bitcoin:28.4")
    'docker.io/bitcoin/bitcoin:28.4'
    """
    if options.image is not None:
        return options.image
    return image_of(options.version) if options.version is not None else running or DEFAULT_IMAGE


def image_of(version: str) -> str:
    """Return the image of a version of Bitcoin Core."""
    return f"{REPOSITORY}:{version}"


def has_newer_default(options: NodeOptions, running: str) -> bool:
    """Whether nodes whose image was our choice run another one than would be chosen today."""
    return options.image is None and options.version is None and running != DEFAULT_IMAGE


def number_of(version: str) -> int | None:
    """
    Return a version of Bitcoin Core as the number that its nodes say in getnetworkinfo; None if it is none.

    >>> number_of("29.1"), number_of("v29.1-alpine"), number_of("0.21.1"), number_of("30"), number_of("v1.0")
    (290100, 290100, 210100, 300000, None)
    """
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    major, *rest = map(int, found["numbers"].split("."))
    if major == 0 and rest:
        major, *rest = rest
    elif major < _FIRST_MAJOR:
        return None
    minor, build, *_ = [*rest, 0, 0]
    return major * 10_000 + minor * 100 + build


def version_of(number: int) -> str:
    """
    Return the version that a number of Bitcoin Core stands for.

    >>> version_of(290100), version_of(210100), version_of(240001), version_of(150001)
    ('29.1', '0.21.1', '24.0.1', '0.15.0.1')
    """
    parts = [number // 10_000, number // 100 % 100, number % 100]
    if parts[0] < _FIRST_MAJOR:
        parts = [0, *parts]
    return ".".join(map(str, parts if parts[-1] else parts[:-1]))


def tag_of(image: str) -> str:
    """
    Return the tag of an image; empty for one with a digest, or without a tag.

    >>> tag_of("localhost:5000/bitcoin:29.1"), tag_of("localhost:5000/bitcoin"), tag_of("b:29.1@sha256:0123")
    ('29.1', '', '')
    """
    name = image.rpartition("/")[2]
    return "" if "@" in name else name.partition(":")[2]


def _family_in(agent: str) -> tuple[Family, int | None] | None:
    """Return who a node says it is, with the number of its version where it is Bitcoin Core."""
    found = _AGENT.match(agent)
    if found is None or found["name"] not in set(Family):
        return None
    family = Family(found["name"])
    return family, number_of(found["version"]) if family is Family.CORE else None


def _family_of(options: NodeOptions, image: str) -> tuple[Family, int | None] | None:
    """Return what an image holds: as `version` says, else as its name and tag do."""
    if options.version is not None:
        return Family.CORE, number_of(options.version)
    name = image.partition("@")[0].lower()
    if re.search(r"bitcoin-?sv|electrumsv", name):
        return Family.BITCOIN_SV, None
    number = number_of(tag_of(image)) if "bitcoin" in name else None
    return None if number is None and not name.startswith(REPOSITORY) else (Family.CORE, number)


def agent_of(image: str) -> str:
    """
    Return how nodes of an image name themselves, as far as its name and tag say it; empty if they do not.

    >>> agent_of("docker.io/bitcoin/bitcoin:29.1"), agent_of("bitcoin:latest"), agent_of("mine/bitcoin-sv:1.0")
    ('/Satoshi:29.1/', '', '/Bitcoin SV:0/')
    """
    match _family_of(NodeOptions(), image):
        case Family.CORE, int(number):
            return f"/{Family.CORE}:{version_of(number)}/"
        case Family.BITCOIN_SV, _:
            return f"/{Family.BITCOIN_SV}:0/"
        case _:
            return ""


def newest_of(agents: Iterable[str]) -> str:
    """
    Return the one of several nodes whose chain the fewest others read, of the program that most are; empty where nobody
    is known.

    >>> newest_of(["/Satoshi:27.2.0/", "", "/Satoshi:30.2.0/", "/mine:1/"])
    '/Satoshi:30.2.0/'
    """
    known = [(*found, agent) for agent in agents if (found := _family_in(agent)) is not None]
    nodes = Counter(family for family, _, _ in known)
    best = max(known, key=lambda one: (nodes[one[0]], one[0] is Family.CORE, one[1] or 0), default=None)
    return "" if best is None else best[2]


def refused_change(spec: Spec, options: NodeOptions, image: str, agents: Iterable[str]) -> str:
    """
    Say why the chains of nodes cannot be kept by another image; empty if they can, or if that is not known.

    `agents`: what the nodes say they are, such as `/Satoshi:29.1.0/`. Nodes without claims begin anew with each pod, so
    nothing is refused for them.

    >>> refused_change(Spec(nodes=1), NodeOptions(version="27.2"), image_of("27.2"), ["/Satoshi:29.1.0/"])
    'no version below 28.0 reads what version 29.1 wrote: block files are obfuscated; stay with 28.0 or later, or add \
a group of nodes with 27.2, which take the chain from the others, and remove these nodes once it is at the tip'
    """
    wanted = _family_of(options, image)
    if spec.storage.ephemeral or wanted is None:
        return ""
    family, number = wanted
    way_out = (
        f"add a group of nodes with {options.version or image}, which take the chain from the others, and remove these "
        "nodes once it is at the tip"
    )
    running = [found for found in map(_family_in, agents) if found is not None]
    families = Counter(other for other, _ in running)
    for other, nodes in families.items():
        if other is not family and 2 * nodes > len(running):  # what one node calls itself proves nothing of the others
            return f"{_NAMES[family]} does not read what {_NAMES[other]} wrote; {way_out}"
    newest = max((version for _, version in running if version is not None), default=0)
    for barrier in BARRIERS:
        if number is not None and number < barrier.version <= newest:
            first = version_of(barrier.version)
            return (
                f"no version below {first} reads what version {version_of(newest)} wrote: {barrier.fact}; stay with "
                f"{first} or later, or {way_out}"
            )
    return ""
