"""The admission plug-in ServiceAccount: each pod has an account that is there, and the token of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ctrlkit.fakes.tracker.kinds.metadata import generate_name
from ctrlkit.fakes.tracker.kinds.strategy import Object, Plain
from ctrlkit.fakes.tracker.plugins.pods import forbidden_pod
from ctrlkit.model import ObjectKey, kinds

if TYPE_CHECKING:
    from ctrlkit.fakes.tracker.core import Core

_DEFAULT = "default"
_VOLUME = "kube-api-access-"
_MOUNTED_AT = "/var/run/secrets/kubernetes.io/serviceaccount"
_MIRROR = "kubernetes.io/config.mirror"
_ENFORCED = "kubernetes.io/enforce-mountable-secrets"
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_TOKEN: Plain = {
    "defaultMode": 420,
    "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ],
}


def admit_account(core: Core, pod: Plain, old: Object | None) -> None:
    """Give a new pod its account, the token of it and its secrets for images, and check it. Errors: Forbidden."""
    if old is None and _MIRROR not in (pod["metadata"].get("annotations") or {}):
        _complete(core, pod)
    check_account(core, pod, old)


def _complete(core: Core, pod: Plain) -> None:
    spec = pod["spec"]
    spec["serviceAccountName"] = spec["serviceAccount"] = spec.get("serviceAccountName") or _DEFAULT
    account = _account(core, pod)
    mounts = spec.get("automountServiceAccountToken", account.get("automountServiceAccountToken"))
    if mounts is not False:
        _mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [{"name": one["name"]} for one in account["imagePullSecrets"]]


def check_account(core: Core, pod: Object, old: Object | None) -> None:
    """Refuse a new pod without an account, or with secrets that the account may not use. Errors: Forbidden."""
    if old is not None:
        return
    if _MIRROR in (pod["metadata"].get("annotations") or {}):
        for text in _mirror_problems(pod["spec"]):
            raise forbidden_pod(pod, text)
        return
    account = _account(core, pod)
    if (account["metadata"].get("annotations") or {}).get(_ENFORCED) in _TRUE:
        for text in _secret_problems(account, pod["spec"]):
            raise forbidden_pod(pod, text)


def _account(core: Core, pod: Object) -> Object:
    namespace, name = pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "")
    if not name:
        raise forbidden_pod(pod, f"no service account specified for pod {namespace}/{pod['metadata'].get('name', '')}")
    stored = core.store.collection(kinds.SERVICE_ACCOUNTS.identity).find(ObjectKey(namespace, name))
    if stored is None:
        text = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
        raise forbidden_pod(pod, text)
    return stored.plain


def _mount_token(spec: Plain) -> None:
    """Mount the token in each container that has nothing else there; a volume for it is made if there is none."""
    volumes = list(spec.get("volumes") or ())
    made = next((one["name"] for one in volumes if one["name"].startswith(_VOLUME)), "")
    volume = made or generate_name(_VOLUME)
    is_needed = False
    for part in ("initContainers", "containers"):
        for container in spec.get(part) or ():
            mounted = container.get("volumeMounts") or ()
            if not any(one.get("mountPath") == _MOUNTED_AT for one in mounted):
                mount = {"name": volume, "readOnly": True, "mountPath": _MOUNTED_AT}
                container["volumeMounts"] = [*mounted, mount]
                is_needed = True
    if is_needed and not made:
        spec["volumes"] = [*volumes, {"name": volume, "projected": _copied(_TOKEN)}]


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _mirror_problems(spec: Object) -> Iterator[str]:
    if spec.get("serviceAccountName"):
        yield "a mirror pod may not reference service accounts"
    volumes = spec.get("volumes") or ()
    if any("secret" in one for one in volumes) or any(_used_secrets(spec)):
        yield "a mirror pod may not reference secrets"
    sources = (source for one in volumes for source in (one.get("projected") or {}).get("sources") or ())
    if any("serviceAccountToken" in source for source in sources):
        yield "a mirror pod may not use ServiceAccountToken volume projections"


def _secret_problems(account: Object, spec: Object) -> Iterator[str]:
    """What a pod refers to, and its account does not."""
    name = account["metadata"]["name"]
    own = {one.get("name", "") for one in account.get("secrets") or ()}
    end = f"is not allowed because service account {name} does not reference that"
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName", "")
        if "secret" in volume and secret not in own:
            yield f'volume with secret.secretName="{secret}" {end} secret'
    for where, secret in _used_secrets(spec):
        if secret not in own:
            yield f'{where} referencing secret.secretName="{secret}" {end} secret'
    pulled = {one.get("name", "") for one in account.get("imagePullSecrets") or ()}
    for index, one in enumerate(spec.get("imagePullSecrets") or ()):
        if one.get("name", "") not in pulled:
            yield f'imagePullSecrets[{index}].name="{one.get("name", "")}" {end} imagePullSecret'


def _used_secrets(spec: Object) -> Iterator[tuple[str, str]]:
    """Yield where the environment of a container has a secret, and its name."""
    for part, kind in (("initContainers", "init container"), ("containers", "container")):
        for container in spec.get(part) or ():
            for one in container.get("env") or ():
                reference = (one.get("valueFrom") or {}).get("secretKeyRef")
                if reference is not None:
                    yield f"{kind} {container['name']} with envVar {one['name']}", reference.get("name", "")
            for one in container.get("envFrom") or ():
                if "secretRef" in one:
                    yield f"{kind} {container['name']} with envFrom", one["secretRef"].get("name", "")
