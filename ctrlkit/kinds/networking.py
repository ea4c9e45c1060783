"""The kinds of networking.k8s.io/v1 with all their fields; made by ctrlkit.fakes.releases.typed_kinds."""

from __future__ import annotations

from ctrlkit.kinds.base import TypedKind
from ctrlkit.kinds.core import LabelSelector, TypedLocalObjectReference
from ctrlkit.model import Condition, ObjectMeta, Resource, kinds

__all__ = [
    "INGRESSES",
    "INGRESS_CLASSES",
    "IP_ADDRESSES",
    "NETWORK_POLICIES",
    "SERVICE_CIDRS",
    "HTTPIngressPath",
    "HTTPIngressRuleValue",
    "IPAddress",
    "IPAddressSpec",
    "IPBlock",
    "Ingress",
    "IngressBackend",
    "IngressClass",
    "IngressClassParametersReference",
    "IngressClassSpec",
    "IngressLoadBalancerIngress",
    "IngressLoadBalancerStatus",
    "IngressPortStatus",
    "IngressRule",
    "IngressServiceBackend",
    "IngressSpec",
    "IngressStatus",
    "IngressTLS",
    "NetworkPolicy",
    "NetworkPolicyEgressRule",
    "NetworkPolicyIngressRule",
    "NetworkPolicyPeer",
    "NetworkPolicyPort",
    "NetworkPolicySpec",
    "ParentReference",
    "ServiceBackendPort",
    "ServiceCIDR",
    "ServiceCIDRSpec",
    "ServiceCIDRStatus",
]


class IngressClassParametersReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressClassParametersReference."""

    kind: str
    name: str
    api_group: str | None = None
    namespace: str | None = None
    scope: str | None = None


class IngressClassSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressClassSpec."""

    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClass(TypedKind, frozen=True, kw_only=True):
    """A IngressClass with all its fields."""

    metadata: ObjectMeta
    spec: IngressClassSpec = IngressClassSpec()


class ServiceBackendPort(TypedKind, frozen=True, kw_only=True):
    """The fields of a ServiceBackendPort."""

    name: str = ""
    number: int = 0


class IngressServiceBackend(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressServiceBackend."""

    name: str
    port: ServiceBackendPort = ServiceBackendPort()


class IngressBackend(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressBackend."""

    resource: TypedLocalObjectReference | None = None
    service: IngressServiceBackend | None = None


class HTTPIngressPath(TypedKind, frozen=True, kw_only=True):
    """The fields of a HTTPIngressPath."""

    backend: IngressBackend
    path_type: str | None
    """Exact, ImplementationSpecific or Prefix."""
    path: str = ""


class HTTPIngressRuleValue(TypedKind, frozen=True, kw_only=True):
    """The fields of a HTTPIngressRuleValue."""

    paths: tuple[HTTPIngressPath, ...]


class IngressRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressRule."""

    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressTLS."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressSpec."""

    default_backend: IngressBackend | None = None
    ingress_class_name: str | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()


class IngressPortStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressPortStatus."""

    error: str | None = None
    port: int = 0
    protocol: str = ""
    """SCTP, TCP or UDP."""


class IngressLoadBalancerIngress(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressLoadBalancerIngress."""

    hostname: str = ""
    ip: str = ""
    ports: tuple[IngressPortStatus, ...] = ()


class IngressLoadBalancerStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressLoadBalancerStatus."""

    ingress: tuple[IngressLoadBalancerIngress, ...] = ()


class IngressStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a IngressStatus."""

    load_balancer: IngressLoadBalancerStatus = IngressLoadBalancerStatus()


class Ingress(TypedKind, frozen=True, kw_only=True):
    """A Ingress with all its fields."""

    metadata: ObjectMeta
    spec: IngressSpec = IngressSpec()
    status: IngressStatus = IngressStatus()


class ParentReference(TypedKind, frozen=True, kw_only=True):
    """The fields of a ParentReference."""

    name: str
    resource: str
    group: str = ""
    namespace: str = ""


class IPAddressSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a IPAddressSpec."""

    parent_ref: ParentReference | None


class IPAddress(TypedKind, frozen=True, kw_only=True):
    """A IPAddress with all its fields."""

    metadata: ObjectMeta
    spec: IPAddressSpec


class NetworkPolicyPort(TypedKind, frozen=True, kw_only=True):
    """The fields of a NetworkPolicyPort."""

    end_port: int | None = None
    port: int | str | None = None
    protocol: str | None = None
    """SCTP, TCP or UDP."""


class IPBlock(TypedKind, frozen=True, kw_only=True):
    """The fields of a IPBlock."""

    cidr: str
    except_: tuple[str, ...] = ()


class NetworkPolicyPeer(TypedKind, frozen=True, kw_only=True):
    """The fields of a NetworkPolicyPeer."""

    ip_block: IPBlock | None = None
    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None


class NetworkPolicyEgressRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a NetworkPolicyEgressRule."""

    ports: tuple[NetworkPolicyPort, ...] = ()
    to: tuple[NetworkPolicyPeer, ...] = ()


class NetworkPolicyIngressRule(TypedKind, frozen=True, kw_only=True):
    """The fields of a NetworkPolicyIngressRule."""

    from_: tuple[NetworkPolicyPeer, ...] = ()
    ports: tuple[NetworkPolicyPort, ...] = ()


class NetworkPolicySpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a NetworkPolicySpec."""

    egress: tuple[NetworkPolicyEgressRule, ...] = ()
    ingress: tuple[NetworkPolicyIngressRule, ...] = ()
    pod_selector: LabelSelector = LabelSelector()
    policy_types: tuple[str, ...] = ()


class NetworkPolicy(TypedKind, frozen=True, kw_only=True):
    """A NetworkPolicy with all its fields."""

    metadata: ObjectMeta
    spec: NetworkPolicySpec = NetworkPolicySpec()


class ServiceCIDRSpec(TypedKind, frozen=True, kw_only=True):
    """The fields of a ServiceCIDRSpec."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(TypedKind, frozen=True, kw_only=True):
    """The fields of a ServiceCIDRStatus."""

    conditions: tuple[Condition, ...] = ()


class ServiceCIDR(TypedKind, frozen=True, kw_only=True):
    """A ServiceCIDR with all its fields."""

    metadata: ObjectMeta
    spec: ServiceCIDRSpec = ServiceCIDRSpec()
    status: ServiceCIDRStatus = ServiceCIDRStatus()


INGRESSES: Resource[Ingress] = kinds.INGRESSES.of(Ingress)
INGRESS_CLASSES: Resource[IngressClass] = kinds.INGRESS_CLASSES.of(IngressClass)
IP_ADDRESSES: Resource[IPAddress] = kinds.IP_ADDRESSES.of(IPAddress)
NETWORK_POLICIES: Resource[NetworkPolicy] = kinds.NETWORK_POLICIES.of(NetworkPolicy)
SERVICE_CIDRS: Resource[ServiceCIDR] = kinds.SERVICE_CIDRS.of(ServiceCIDR)
