"""What the server has against an object of a built-in kind: the kind's rules, looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ctrlkit.fakes.tracker.kinds.apps.validation_workloads import deployment_causes, stateful_set_causes
from ctrlkit.fakes.tracker.kinds.core.validation_data import claim_causes, config_map_causes, secret_causes
from ctrlkit.fakes.tracker.kinds.core.validation_pods import pod_spec_causes, pod_update_causes
from ctrlkit.fakes.tracker.kinds.core.validation_records import event_causes, lease_causes, revision_causes
from ctrlkit.fakes.tracker.kinds.core.validation_services import service_causes
from ctrlkit.fakes.tracker.kinds.definitions.validation_definitions import definition_causes
from ctrlkit.fakes.tracker.kinds.validation_rbac import binding_causes, role_causes
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.model import AnyResource

Plain = Mapping[str, Any]
_RBAC = "rbac.authorization.k8s.io"


def kind_causes(resource: AnyResource, plain: Plain, old: Plain | None) -> list[Cause]:
    """
    What the server has against an object, its metadata apart; `old` is the object as it was, None for a new one.

    Shape   `plain` is typed and has its defaults. Parts that are the very same value in both are taken as valid.
    """
    rules = _RULES.get(resource.identity)
    return list(rules(plain, old)) if rules else []


def _pod_causes(plain: Plain, old: Plain | None) -> Iterator[Cause]:
    spec = plain["spec"]
    if old is None:
        yield from pod_spec_causes(spec, "spec")
    elif spec is not old["spec"] and spec != old["spec"]:
        yield from pod_update_causes(spec, old["spec"])


_Rules = Callable[[Plain, Plain | None], Iterator[Cause]]
_RULES: Mapping[tuple[str, str], _Rules] = {
    ("", "pods"): _pod_causes,
    ("", "services"): service_causes,
    ("", "configmaps"): config_map_causes,
    ("", "secrets"): secret_causes,
    ("", "persistentvolumeclaims"): claim_causes,
    ("", "events"): event_causes,
    ("apps", "statefulsets"): stateful_set_causes,
    ("apps", "deployments"): deployment_causes,
    ("apps", "controllerrevisions"): revision_causes,
    ("coordination.k8s.io", "leases"): lease_causes,
    ("apiextensions.k8s.io", "customresourcedefinitions"): definition_causes,
    (_RBAC, "roles"): role_causes,
    (_RBAC, "clusterroles"): role_causes,
    (_RBAC, "rolebindings"): binding_causes,
    (_RBAC, "clusterrolebindings"): binding_causes,
}
