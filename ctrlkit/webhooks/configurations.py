"""
The configurations that tell a server of webhooks: objects of admissionregistration.k8s.io, and the conversion of CRDs.

No webhook here can keep its own program from starting again: of built-in kinds, such as pods, those in the program's
own namespace and in the namespaces of the control plane are not asked about.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ctrlkit.errors import ConfigError
from ctrlkit.model import AnyResource
from ctrlkit.model.kinds import MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS
from ctrlkit.webhooks.declarations import AdmissionWebhook

Plain = dict[str, Any]
AnyAdmission = AdmissionWebhook[Any]

CONVERT_PATH: Final = "/convert"
NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
SYSTEM_NAMESPACES: Final = ("kube-system", "kube-node-lease")
"""The namespaces of the control plane and of what nodes need to live."""

CONFIGURATIONS: Final = {
    "mutating": MUTATING_WEBHOOK_CONFIGURATIONS,
    "validating": VALIDATING_WEBHOOK_CONFIGURATIONS,
}
"""The kinds of configurations by the verb of the webhooks in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAddress:
    """The Service by which a server reaches webhooks that run in its cluster."""

    namespace: str
    name: str
    port: int = 443


Address = ServiceAddress | str
"""Where webhooks are: a Service, or the beginning of a URL such as `https://10.0.0.5:9443`."""


def client_config(address: Address, path: str, ca_bundle: bytes = b"") -> Plain:
    """
    Return the `clientConfig` for a path; `ca_bundle` are certificates as PEM.

    >>> client_config("https://10.0.0.5:9443", "/convert")
    {'url': 'https://10.0.0.5:9443/convert'}
    """
    config: Plain = {}
    match address:
        case ServiceAddress(namespace=namespace, name=name, port=port):
            config["service"] = {"namespace": namespace, "name": name, "path": path, "port": port}
        case str():
            if not address.startswith("https://"):
                raise ConfigError(f"webhooks at {address!r}: a server calls nothing but https://host[:port]")
            config["url"] = address.rstrip("/") + path
    if ca_bundle:
        config["caBundle"] = base64.b64encode(ca_bundle).decode()
    return config


def configurations_of(
    webhooks: Sequence[AnyAdmission],
    *,
    name: str,
    address: Address,
    ca_bundle: bytes,
    own_namespace: str,
    own_labels: Mapping[str, str],
    labels: Mapping[str, str],
) -> list[Plain]:
    """Return the configurations of webhooks; see Webhooks.configurations."""
    own = _Own(own_namespace or (address.namespace if isinstance(address, ServiceAddress) else ""), own_labels)
    made = []
    for verb, kind in CONFIGURATIONS.items():
        several = [each for each in webhooks if each.verb == verb]
        _check_names(several)
        if several:
            metadata = {"name": name} | ({"labels": dict(labels)} if labels else {})
            entries = [_entry(each, client_config(address, each.path, ca_bundle), own) for each in several]
            head = {"apiVersion": kind.api_version, "kind": kind.kind}
            made.append({**head, "metadata": metadata, "webhooks": entries})
    return made


def conversion_of(address: Address, ca_bundle: bytes) -> Plain:
    """Return the `spec.conversion` of a CustomResourceDefinition."""
    config = client_config(address, CONVERT_PATH, ca_bundle)
    return {"strategy": "Webhook", "webhook": {"clientConfig": config, "conversionReviewVersions": ["v1"]}}


def _check_names(webhooks: Iterable[AnyAdmission]) -> None:
    for name, count in Counter(each.full_name for each in webhooks).items():
        if count > 1:
            raise ConfigError(f"configure webhooks: {count} are called {name}; give them a name=... of their own")


def kind_of(configuration: Mapping[str, Any]) -> AnyResource:
    """Return the kind of a configuration."""
    return next(kind for kind in CONFIGURATIONS.values() if kind.kind == configuration["kind"])


@dataclass(frozen=True, slots=True)
class _Own:
    """What is the program's own."""

    namespace: str
    labels: Mapping[str, str]

    @property
    def namespaces(self) -> list[str]:
        return [name for name in dict.fromkeys((self.namespace, *SYSTEM_NAMESPACES)) if name]


def _entry(webhook: AnyAdmission, config: Plain, own: _Own) -> Plain:
    terms, resource = webhook.terms, webhook.resource
    entry = {
        "name": webhook.full_name,
        "clientConfig": config,
        "rules": [_rule(webhook, resource)],
        "failurePolicy": terms.failure_policy,
        "matchPolicy": "Equivalent",
        "sideEffects": "NoneOnDryRun" if terms.side_effects else "None",
        "timeoutSeconds": terms.timeout_s,
        "admissionReviewVersions": ["v1"],
        **_selectors(webhook, own),
    }
    if terms.match_conditions:
        entry["matchConditions"] = [
            {"name": name, "expression": expression} for name, expression in terms.match_conditions.items()
        ]
    return entry


def _rule(webhook: AnyAdmission, resource: AnyResource) -> Plain:
    path = f"{resource.plural}/{webhook.subresource}" if webhook.subresource else resource.plural
    return {
        "apiGroups": [resource.group],
        "apiVersions": [resource.version],
        "operations": list(webhook.operations),
        "resources": [path],
        "scope": "Namespaced" if resource.namespaced else "Cluster",
    }


def _selectors(webhook: AnyAdmission, own: _Own) -> Plain:
    """Return the selectors that were said, and those that leave out what the program needs to start."""
    terms = webhook.terms
    of_namespace, of_object = dict(terms.namespace_selector or {}), dict(terms.object_selector or {})
    if not webhook.resource.is_custom:
        left_out = SYSTEM_NAMESPACES if terms.covers_own_namespace else own.namespaces
        of_namespace = _without(of_namespace, NAMESPACE_LABEL, left_out)
        if terms.covers_own_namespace or not own.namespace:
            for label, value in own.labels.items():
                of_object = _without(of_object, label, [value])
    found = {"namespaceSelector": of_namespace, "objectSelector": of_object}
    return {name: selector for name, selector in found.items() if selector}


def _without(selector: Plain, label: str, values: Sequence[str]) -> Plain:
    requirement = {"key": label, "operator": "NotIn", "values": list(values)}
    return selector | {"matchExpressions": [*(selector.get("matchExpressions") or ()), requirement]}
