"""CertificateSigningRequests."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from ctrlkit import clock
from ctrlkit.fakes.durations import age
from ctrlkit.fakes.tracker import exchanges
from ctrlkit.fakes.tracker.callers import caller
from ctrlkit.fakes.tracker.kinds.strategy import Object, Part, Plain, Strategy
from ctrlkit.fakes.tracker.kinds.tables import age_of, name_of, section
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats

_USAGES = (
    *("any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment"),
    *("decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel"),
    *("ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime"),
    *("server auth", "signing", "timestamping"),
)
_DEFINITE = ("Approved", "Denied", "Failed")
_DECISIONS = ("Approved", "Denied")
_STATES = ("False", "True", "Unknown")
_SECONDS_MIN = 600
_OF_CALLER = (("username", "username"), ("uid", "uid"), ("groups", "groups"), ("extra", "extra"))
_BLOCK = re.compile(rb"-----BEGIN ([^-]+)-----\s*([A-Za-z0-9+/=\s]+)-----END \1-----")


def _begin(request: Plain) -> None:
    """The server says itself who asks."""
    user = caller()
    spec = {name: value for name, value in request["spec"].items() if name not in dict(_OF_CALLER)}
    request["spec"] = spec | {name: user[of] for name, of in _OF_CALLER if user.get(of)}
    request["status"] = {}


def _keep(request: Plain, old: Object) -> None:
    request["spec"] = old["spec"]


def _conditions(request: Object) -> Sequence[Object]:
    found: Sequence[Object] = section(request, "status").get("conditions") or ()
    return found


def _dated(request: Plain, old: Object) -> None:
    """Fill in the times of conditions."""
    now = clock.timestamp(exchanges.now())
    before = {
        (one["type"], one.get("status")): one["lastTransitionTime"]
        for one in _conditions(old)
        if one.get("lastTransitionTime")
    }
    dated = []
    for one in _conditions(request):
        when = one.get("lastTransitionTime") or before.get((one["type"], one.get("status"))) or now
        dated.append({**one, "lastUpdateTime": one.get("lastUpdateTime") or now, "lastTransitionTime": when})
    if dated:
        request["status"] = {**request["status"], "conditions": dated}


def _keep_status(request: Plain, old: Object) -> None:
    """Decisions stay as they are; the other conditions get their times."""
    found = list(_conditions(request))
    for kind in _DECISIONS:
        places = [index for index, one in enumerate(found) if one["type"] == kind]
        kept = [one for one in _conditions(old) if one["type"] == kind]
        if len(places) == len(kept):
            for index, one in zip(places, kept, strict=True):
                found[index] = one
    if found:
        request["status"] = {**request["status"], "conditions": found}
    _dated(request, old)


def _approved(theirs: Object, old: Object) -> Plain:
    """The stored request with the conditions that were sent."""
    plain: Plain = {**old, "metadata": theirs["metadata"], "status": {"conditions": list(_conditions(theirs))}}
    _dated(plain, old)
    rest = {name: value for name, value in section(old, "status").items() if name != "conditions"}
    conditions = _conditions(plain)
    plain["status"] = {**rest, "conditions": conditions} if conditions else rest
    return plain


# ---- rules ----------------------------------------------------------------------------------------------------------


def _request_problem(encoded: str) -> str:
    """What is wrong with a request in PEM, "" if nothing is."""
    block = _BLOCK.search(base64.b64decode(encoded))
    if block is None or block[1] != b"CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    from cryptography import x509  # noqa: PLC0415  # not free to load, and requests are rare

    try:
        request = x509.load_pem_x509_csr(block[0])
    except ValueError:
        if not block[0].splitlines()[1:-1]:
            return "asn1: syntax error: sequence truncated"
        return "asn1: structure error: tags don't match"
    return "" if request.is_signature_valid else "x509: signature verification failed"


def _causes(request: Object, old: Object | None) -> Iterator[Cause]:
    spec = request["spec"]
    if old is None:
        yield from _spec_causes(spec)
    yield from _condition_causes(_conditions(request))
    if old is not None:
        yield from _change_causes(request, old)


def _spec_causes(spec: Object) -> Iterator[Cause]:
    problem = _request_problem(spec.get("request") or "")
    if problem:
        shown = f'"{spec["request"]}"' if spec.get("request") else "null"
        yield Cause.invalid("spec.request", shown, problem)
    usages = spec.get("usages") or ()
    if not usages:
        yield Cause.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            yield Cause.unsupported(f"spec.usages[{index}]", usage, _USAGES)
    for index, usage in enumerate(usages):
        if usage in usages[:index]:
            yield Cause.duplicate(f"spec.usages[{index}]", usage)
    signer, seconds = spec["signerName"], spec.get("expirationSeconds")
    if signer == "kubernetes.io/legacy-unknown":
        text = "the legacy signerName is not allowed via this API version"
        yield Cause.wrong("spec.signerName", signer, text)
    else:
        yield from _signer_causes(signer, "spec.signerName")
    if seconds is not None and seconds < _SECONDS_MIN:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        yield Cause.wrong("spec.expirationSeconds", seconds, text)


def _signer_causes(signer: str, path: str) -> Iterator[Cause]:
    if not signer:
        yield Cause.required(path)
        return
    domain, slash, rest = signer.partition("/")
    if not slash or "/" in rest:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield Cause.wrong(path, signer, text)
        return
    yield from _part_causes(domain, formats.dns_label, path)
    if "." not in domain:
        yield Cause.wrong(path, domain, "should be a domain with at least two segments separated by dots")
    yield from _part_causes(rest, formats.subdomain, path)


def _part_causes(part: str, rule: Callable[[str], formats.Complaints], path: str) -> Iterator[Cause]:
    """Check a part of a signer's name: the first wrong label is told."""
    for label in part.split("."):
        complaints = rule(label)
        yield from (Cause.wrong(path, part, f'validating label "{label}": {text}') for text in complaints)
        if complaints:
            return


def _condition_causes(conditions: Sequence[Object]) -> Iterator[Cause]:
    path = "status.conditions"
    seen: set[str] = set()
    for index, one in enumerate(conditions):
        kind, state = one["type"], one.get("status") or ""
        allowed = ("True",) if kind in _DEFINITE else _STATES
        if not kind:
            yield Cause.required(f"{path}[{index}].type")
        if not state:
            yield Cause.required(f"{path}[{index}].status")
        elif state not in allowed:
            yield Cause.unsupported(f"{path}[{index}].status", state, allowed)
        if kind in _DECISIONS and seen & (set(_DECISIONS) - {kind}):
            yield Cause.wrong(path, kind, "Approved and Denied conditions are mutually exclusive")
        if kind in seen:
            yield Cause.duplicate(f"{path}[{index}].type", kind)
        seen.add(kind)


def _change_causes(request: Object, old: Object) -> Iterator[Cause]:
    for kind in _DEFINITE:
        had, has = (sum(one["type"] == kind for one in _conditions(plain)) for plain in (old, request))
        if has < had:
            yield Cause.forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')


def _status_causes(request: Object, old: Object) -> Iterator[Cause]:
    yield from _causes(request, old)
    for kind in _DECISIONS:
        had, has = (sum(one["type"] == kind for one in _conditions(plain)) for plain in (old, request))
        if has > had:
            yield Cause.forbidden("status.conditions", f'updates may not add a condition of type "{kind}"')
    certificate = section(request, "status").get("certificate")
    if certificate and b"-----BEGIN CERTIFICATE-----" not in base64.b64decode(certificate):
        text = "must contain at least one CERTIFICATE PEM block"
        yield Cause.wrong("status.certificate", "<certificate data>", text)
    before, now = (section(plain, "status").get("certificate") for plain in (old, request))
    if before and now != before:
        text = "updates may not modify existing certificate content"
        yield Cause.forbidden("status.certificate", text)


def _cells(request: Object, now: datetime) -> list[Any]:
    spec = section(request, "spec")
    seconds = spec.get("expirationSeconds")
    kinds = {one.get("type") for one in _conditions(request)}
    state = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    if "Failed" in kinds:
        state += ",Failed"
    if section(request, "status").get("certificate"):
        state += ",Issued"
    return [
        name_of(request),
        age_of(request, now),
        spec.get("signerName") or "<none>",
        spec.get("username", ""),
        "<none>" if seconds is None else age((now - timedelta(seconds=seconds)).isoformat(), now),
        state,
    ]


def _any_name(_name: str) -> tuple[str, ...]:
    return ()


SIGNING_REQUESTS = Strategy(
    name_rule=_any_name,
    resets=("spec",),
    kept_by_status=("status.conditions",),
    selectable_fields=("spec.signerName",),
    begin=_begin,
    keep=_keep,
    keep_status=_keep_status,
    validate=_causes,
    validate_status=_status_causes,
    parts={"approval": Part(_approved, _causes, keeps_metadata=False, resets=("spec", "status.certificate"))},
    cells=_cells,
)
