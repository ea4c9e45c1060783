"""Certificates of webhooks from cert-manager: what it makes, and what changes of a program's objects then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ctrlkit.deploy.description import Description
from ctrlkit.deploy.names import CERTIFICATES_SUFFIX, WEBHOOKS_SUFFIX, Names
from ctrlkit.deploy.places import Place, Tree, When, from_values, joined
from ctrlkit.deploy.workload import CERTIFICATES_MOUNT, CERTIFICATES_SETTING, CONTAINER, certificates_volume

_API: Final = "cert-manager.io/v1"
INJECT: Final = "cert-manager.io/inject-ca-from"
"""The annotation that has cert-manager write the caBundle of an object."""


def injected(names: Names) -> Place:
    """The value of that annotation."""
    return joined("%s/%s", names.namespace, names.of(WEBHOOKS_SUFFIX))


def issuer_and_certificate(described: Description) -> Iterator[Tree]:
    """Yield the Certificate of a program's webhooks, if it has any, and an Issuer that signs it if nobody else does."""
    if not described.has_webhooks:
        return
    names = Names(described.program)
    issuer = {
        "apiVersion": _API,
        "kind": "Issuer",
        "metadata": names.metadata(WEBHOOKS_SUFFIX),
        "spec": {"selfSigned": {}},
    }
    own = {"name": names.of(WEBHOOKS_SUFFIX), "kind": "Issuer"}
    yield When("if not $.Values.certManager.issuerRef", issuer, plain=issuer)
    yield {
        "apiVersion": _API,
        "kind": "Certificate",
        "metadata": names.metadata(WEBHOOKS_SUFFIX),
        "spec": {
            "secretName": names.of(CERTIFICATES_SUFFIX),
            "dnsNames": [
                joined(f"%s.%s{end}", names.of(WEBHOOKS_SUFFIX), names.namespace)
                for end in (".svc", ".svc.cluster.local")
            ],
            "issuerRef": from_values("certManager.issuerRef", otherwise=own),
            "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
        },
    }


def patches(described: Description) -> Iterator[Tree]:
    """Yield what changes of the objects of the base, as patches for kustomize."""
    if not described.has_webhooks:
        return
    names = Names(described.program)
    for one in described.webhooks.configurations("https://nowhere", name=""):
        yield _annotated(one, names.of(WEBHOOKS_SUFFIX), names)
    for definition in described.definitions:
        name = definition["metadata"]["name"]
        if name in described.webhooks.converted:
            yield _annotated(definition, name, names)
    container = {"name": CONTAINER, "env": [CERTIFICATES_SETTING], "volumeMounts": [CERTIFICATES_MOUNT]}
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": names.of(), "namespace": names.namespace},
        "spec": {"template": {"spec": {"containers": [container], "volumes": [certificates_volume(names)]}}},
    }


def _annotated(one: dict[str, Any], name: Any, names: Names) -> Tree:
    return {
        "apiVersion": one["apiVersion"],
        "kind": one["kind"],
        "metadata": {"name": name, "annotations": {INJECT: injected(names)}},
    }
