"""NetworkPolicies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ctrlkit.fakes.tracker.kinds.core.containers import port_number_causes
from ctrlkit.fakes.tracker.kinds.metadata import selector_causes, selector_text
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import NONE, age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import addresses, formats

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_TYPES = ("Ingress", "Egress")
_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def _fill_in(policy: Plain) -> None:
    spec = policy["spec"]
    for name, _ in _DIRECTIONS:
        for rule in spec.get(name) or ():
            for port in rule.get("ports") or ():
                port.setdefault("protocol", "TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _blocks(policy: Object) -> Iterator[tuple[str, Object]]:
    """Yield the address blocks of a policy with their paths."""
    for name, peers in _DIRECTIONS:
        for index, rule in enumerate(policy["spec"].get(name) or ()):
            for place, peer in enumerate(rule.get(peers) or ()):
                if peer.get("ipBlock") is not None:
                    yield f"spec.{name}[{index}].{peers}[{place}].ipBlock", peer["ipBlock"]


def _causes(policy: Object, old: Object | None) -> Iterator[Cause]:
    spec = policy["spec"]
    had = {one for _, block in (_blocks(old) if old else ()) for one in (block["cidr"], *(block.get("except") or ()))}
    yield from selector_causes(spec.get("podSelector") or {}, "spec.podSelector")
    for name, peers in _DIRECTIONS:
        for index, rule in enumerate(spec.get(name) or ()):
            path = f"spec.{name}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                yield from _port_causes(port, f"{path}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                yield from _peer_causes(peer, f"{path}.{peers}[{place}]", had)
    types = spec["policyTypes"]
    if len(types) > len(_TYPES):
        yield Cause.wrong("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, kind in enumerate(types):
        if kind not in _TYPES:
            yield Cause.unsupported(f"spec.policyTypes[{index}]", kind, _TYPES)


def _port_causes(port: Object, path: str) -> Iterator[Cause]:
    if port["protocol"] not in _PROTOCOLS:
        yield Cause.unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
    number, end = port.get("port"), port.get("endPort")
    if isinstance(number, int):
        yield from port_number_causes(number, f"{path}.port")
        if end is not None:
            if end < number:
                yield Cause.wrong(f"{path}.endPort", number, "must be greater than or equal to `port`")
            yield from port_number_causes(end, f"{path}.endPort")
        return
    if end is not None:
        what = "non-numeric" if number is not None else "not specified"
        yield Cause.wrong(f"{path}.endPort", end, f"may not be specified when `port` is {what}")
    if number is not None:
        yield from Cause.all_wrong(f"{path}.port", number, formats.port_name(number))


def _peer_causes(peer: Object, path: str, had: set[str]) -> Iterator[Cause]:
    for name in ("podSelector", "namespaceSelector"):
        if peer.get(name) is not None:
            yield from selector_causes(peer[name], f"{path}.{name}")
    block = peer.get("ipBlock")
    if block is not None:
        yield from _block_causes(block, f"{path}.ipBlock", had)
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    if not given:
        yield Cause.required(path, "must specify a peer")
    elif block is not None and len(given) > 1:
        yield Cause.forbidden(path, "may not specify both ipBlock and another peer")


def _block_causes(block: Object, path: str, had: set[str]) -> Iterator[Cause]:
    whole = block["cidr"]
    if not whole:
        yield Cause.required(f"{path}.cidr")
        return
    yield from Cause.all_wrong(f"{path}.cidr", whole, () if whole in had else addresses.address_range(whole))
    network = addresses.parsed_range(whole)
    if network is None:
        return
    for index, text in enumerate(block.get("except") or ()):
        here = f"{path}.except[{index}]"
        yield from Cause.all_wrong(here, text, () if text in had else addresses.address_range(text))
        part = addresses.parsed_range(text)
        if part is None:
            continue
        if part.network_address not in network or network.prefixlen >= part.prefixlen:
            yield Cause.wrong(here, text, "must be a strict subset of `cidr`")


def _warnings(policy: Object, _old: object) -> Iterator[str]:
    for path, block in _blocks(policy):
        yield from addresses.range_warnings(f"{path}.cidr", block["cidr"])
        for index, text in enumerate(block.get("except") or ()):
            yield from addresses.range_warnings(f"{path}.except[{index}]", text)


def _cells(policy: Object, now: datetime) -> list[Any]:
    return [name_of(policy), selector_text(section(policy, "spec").get("podSelector")) or NONE, age_of(policy, now)]


NETWORK_POLICIES = Strategy(generation=True, defaults=_fill_in, validate=_causes, warn=_warnings, cells=_cells)
