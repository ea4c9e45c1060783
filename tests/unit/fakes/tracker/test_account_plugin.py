"""The admission plug-in ServiceAccount, and those about signers: what a real server makes of the same requests."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ctrlkit.errors import Forbidden, Invalid
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.admission import DEFAULT_PLUGINS, PLUGINS
from ctrlkit.fakes.tracker.callers import acting_as
from ctrlkit.model.kinds import (
    CERTIFICATE_SIGNING_REQUESTS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    PODS,
    SERVICE_ACCOUNTS,
)

CONTAINER = {"name": "c", "image": "img:1"}
MOUNTED_AT = "/var/run/secrets/kubernetes.io/serviceaccount"
ACCOUNTS: tuple[dict[str, Any], ...] = (
    {"metadata": {"name": "default"}},
    {"metadata": {"name": "no"}, "automountServiceAccountToken": False},
    {"metadata": {"name": "pull"}, "imagePullSecrets": [{"name": "reg"}]},
    {
        "metadata": {"name": "strict", "annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}},
        "secrets": [{"name": "s"}],
    },
)


@pytest.fixture
def tracker() -> Tracker:
    """A server with all plug-ins on, and some accounts."""
    tracker = Tracker(plugins=PLUGINS)
    for account in ACCOUNTS:
        metadata = {**account["metadata"], "namespace": "default"}
        tracker.create(SERVICE_ACCOUNTS, {**account, "metadata": metadata})
    return tracker


def made(tracker: Tracker, **spec: Any) -> dict[str, Any]:
    """The spec of a new pod."""
    body = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": [dict(CONTAINER)], **spec}}
    found: dict[str, Any] = tracker.create(PODS, body)["spec"]
    return found


def test_a_pod_has_the_default_account_and_its_token(tracker: Tracker) -> None:
    spec = made(tracker, initContainers=[CONTAINER | {"name": "first"}])
    (volume,) = spec["volumes"]
    assert volume["name"].startswith("kube-api-access-")
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == [
        "serviceAccountToken",
        "configMap",
        "downwardAPI",
    ]
    mount = {"name": volume["name"], "readOnly": True, "mountPath": MOUNTED_AT}
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["volumeMounts"] == [mount]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")


def test_the_token_is_not_mounted_where_nobody_wants_it(tracker: Tracker) -> None:
    assert "volumes" not in made(tracker, serviceAccountName="no")
    tracker.delete(PODS, "default/p")
    assert "volumes" in made(tracker, serviceAccountName="no", automountServiceAccountToken=True)


def test_what_is_mounted_in_its_place_stays(tracker: Tracker) -> None:
    mount = {"name": "v", "mountPath": MOUNTED_AT}
    volume = {"name": "v", "emptyDir": {}}
    spec = made(tracker, containers=[CONTAINER | {"volumeMounts": [mount]}], volumes=[volume])
    assert (spec["volumes"], spec["containers"][0]["volumeMounts"]) == ([volume], [mount])


def test_the_secrets_for_images_are_those_of_the_account_unless_the_pod_names_some(tracker: Tracker) -> None:
    assert made(tracker, serviceAccountName="pull")["imagePullSecrets"] == [{"name": "reg"}]
    tracker.delete(PODS, "default/p")
    mine = [{"name": "mine"}]
    assert made(tracker, serviceAccountName="pull", imagePullSecrets=mine)["imagePullSecrets"] == mine


ENV = {"env": [{"name": "E", "valueFrom": {"secretKeyRef": {"name": "t", "key": "k"}}}]}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"serviceAccountName": "gone"},
            'error looking up service account default/gone: serviceaccount "gone" not found',
        ),
        (
            {"serviceAccountName": "strict", "volumes": [{"name": "v", "secret": {"secretName": "t"}}]},
            'volume with secret.secretName="t" is not allowed because service account strict does not reference that '
            "secret",
        ),
        (
            {"serviceAccountName": "strict", "containers": [CONTAINER | ENV]},
            'container c with envVar E referencing secret.secretName="t" is not allowed because service account strict '
            "does not reference that secret",
        ),
        (
            {"serviceAccountName": "strict", "imagePullSecrets": [{"name": "mine"}]},
            'imagePullSecrets[0].name="mine" is not allowed because service account strict does not reference that '
            "imagePullSecret",
        ),
    ],
)
def test_a_pod_is_refused(tracker: Tracker, spec: dict[str, Any], text: str) -> None:
    with pytest.raises(Forbidden) as raised:
        made(tracker, **spec)
    assert raised.value.message == f'pods "p" is forbidden: {text}'


def test_the_plug_in_is_off_unless_it_is_asked_for() -> None:
    assert "ServiceAccount" not in DEFAULT_PLUGINS
    spec = made(Tracker())
    assert "serviceAccountName" not in spec


# ---- signers ---------------------------------------------------------------------------------------------------------


def asked(name: str, signer: str, *organizations: str) -> dict[str, Any]:
    """A request for a certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(x509.NameOID.COMMON_NAME, "nina")]
    names += [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, one) for one in organizations]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    pem = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    return {
        "metadata": {"name": name},
        "spec": {"request": pem, "signerName": signer, "usages": ["client auth"]},
    }


def test_nobody_asks_for_the_certificate_of_an_administrator() -> None:
    signer = "kubernetes.io/kube-apiserver-client"
    with pytest.raises(Forbidden) as raised:
        Tracker().create(CERTIFICATE_SIGNING_REQUESTS, asked("a", signer, "system:masters"))
    assert raised.value.message == (
        'certificatesigningrequests.certificates.k8s.io "a" is forbidden: use of kubernetes.io/kube-apiserver-client '
        "signer with system:masters group is not allowed"
    )


@pytest.mark.parametrize(("first", "second"), [("Approved", "Denied"), ("Denied", "Approved")])
def test_a_request_is_approved_or_denied_and_never_both(first: str, second: str) -> None:
    tracker = Tracker()
    made = tracker.create(CERTIFICATE_SIGNING_REQUESTS, asked("a", "example.com/x"))
    decided = {"conditions": [{"type": kind, "status": "True"} for kind in (first, second)]}
    with pytest.raises(Invalid) as raised:
        tracker.update(CERTIFICATE_SIGNING_REQUESTS, made | {"status": decided}, subresource="approval")
    text = f'status.conditions: Invalid value: "{second}": Approved and Denied conditions are mutually exclusive'
    assert raised.value.message.partition(" is invalid: ")[2] == text


@pytest.mark.parametrize(
    ("named", "is_allowed"), [("example.com/x", True), ("example.com/*", True), ("other/x", False)]
)
def test_who_approves_needs_the_right_for_the_signer(named: str, is_allowed: bool) -> None:
    tracker = Tracker(rbac=True)
    made = tracker.create(CERTIFICATE_SIGNING_REQUESTS, asked("a", "example.com/x"))
    group = "certificates.k8s.io"
    rules = [
        {"apiGroups": [group], "resources": ["certificatesigningrequests/approval"], "verbs": ["update"]},
        {"apiGroups": [group], "resources": ["signers"], "verbs": ["approve"], "resourceNames": [named]},
    ]
    tracker.create(CLUSTER_ROLES, {"metadata": {"name": "approver"}, "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "approver"}
    subjects = [{"kind": "User", "name": "nina"}]
    tracker.create(CLUSTER_ROLE_BINDINGS, {"metadata": {"name": "nina"}, "roleRef": reference, "subjects": subjects})
    approved = {**made, "status": {"conditions": [{"type": "Approved", "status": "True", "reason": "r"}]}}
    with acting_as({"username": "nina", "groups": ["system:authenticated"]}):
        if is_allowed:
            tracker.update(CERTIFICATE_SIGNING_REQUESTS, approved, subresource="approval")
            return
        with pytest.raises(Forbidden) as raised:
            tracker.update(CERTIFICATE_SIGNING_REQUESTS, approved, subresource="approval")
    assert raised.value.message == (
        'certificatesigningrequests.certificates.k8s.io "a" is forbidden: user not permitted to approve requests with '
        'signerName "example.com/x"'
    )
