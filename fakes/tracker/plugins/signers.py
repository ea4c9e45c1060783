"""Who may approve and sign requests for certificates, and whom none is made for."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ctrlkit.fakes.tracker.callers import caller
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.refusals import forbidden, quoted
from ctrlkit.fakes.tracker.rights.attributes import Attributes as Wanted
from ctrlkit.fakes.tracker.rights.authorizer import allowed
from ctrlkit.fakes.tracker.rights.policy import MASTERS
from ctrlkit.model.kinds import CERTIFICATE_SIGNING_REQUESTS

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.admission import Attributes
    from ctrlkit.fakes.tracker.core import Core

_KIND = CERTIFICATE_SIGNING_REQUESTS
_CLIENTS = "kubernetes.io/kube-apiserver-client"


def check_approval(core: Core, attributes: Attributes, _request: object) -> None:
    """Refuse an approval by who may not approve for the signer. Errors: Forbidden."""
    if _is_of(attributes, "approval"):
        _check(core, attributes, "approve")


def check_signing(core: Core, attributes: Attributes, request: Plain) -> None:
    """Refuse a certificate, or a condition, of who may not sign as the signer. Errors: Forbidden."""
    if not _is_of(attributes, "status"):
        return
    old, new = ((one.get("status") or {}) for one in (attributes.old or {}, request))
    if any(old.get(name) != new.get(name) for name in ("certificate", "conditions")):
        _check(core, attributes, "sign")


def _is_of(attributes: Attributes, subresource: str) -> bool:
    is_request = attributes.served.resource.identity == _KIND.identity
    return is_request and attributes.subresource == subresource and attributes.operation == "UPDATE"


def _check(core: Core, attributes: Attributes, verb: str) -> None:
    signer = (attributes.old or {})["spec"]["signerName"]
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if allowed(core, caller(), Wanted(verb, _KIND.group, "signers", name=name)).allowed:
            return
    raise forbidden(_KIND, attributes.name, f"user not permitted to {verb} requests with signerName {quoted(signer)}")


def check_subject(_core: Core, request: Plain, old: Object | None) -> None:
    """Refuse a new request of a client that would be an administrator. Errors: Forbidden."""
    spec = request["spec"]
    if old is not None or spec["signerName"] != _CLIENTS:
        return
    from cryptography import x509  # noqa: PLC0415  # not free to load, and requests are rare

    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
    except ValueError:
        return  # which is refused for that
    if any(one.value == MASTERS for one in asked.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)):
        text = f"use of {_CLIENTS} signer with {MASTERS} group is not allowed"
        raise forbidden(_KIND, request["metadata"].get("name", ""), text)
