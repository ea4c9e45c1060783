"""kubectl asks the embedded API server who may do what, as people do who write roles."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from ctrlkit.fakes.apiserver import ApiServer
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.model.kinds import CLUSTER_ROLES, SERVICE_ACCOUNTS
from tests.scenarios.test_kubectl import Kubectl
from tests.support.kubectl import needs_kubectl

pytestmark = [pytest.mark.real_time, needs_kubectl]

READER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
- {kind: ServiceAccount, name: bot}
- {kind: User, name: nina, apiGroup: rbac.authorization.k8s.io}
"""


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Kubectl, Tracker]]:
    """kubectl of an administrator, and a server that asks who may do what."""
    tracker = Tracker(rbac=True)
    tracker.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "default"}})
    async with ApiServer(tracker, tracker.registry).serve() as server:
        server.write_kubeconfig(folder / "kubeconfig")
        yield Kubectl(folder / "kubeconfig", folder), tracker


async def test_can_i_and_for_whom(tmp_path: Path) -> None:
    async with served(tmp_path) as (kubectl, _):
        assert (await kubectl("apply", "-f", "-", stdin=READER)).status == 0
        assert (await kubectl("auth", "can-i", "delete", "nodes")).out == "yes\n"
        assert (await kubectl("auth", "can-i", "get", "configmaps", "--as=nina")).out == "yes\n"
        no = await kubectl.try_to("auth", "can-i", "delete", "configmaps", "--as=nina")
        assert (no.status, no.out) == (1, "no\n")
        assert (await kubectl("auth", "can-i", "get", "/healthz", "--as=nina")).out == "yes\n"
        assert (await kubectl("auth", "can-i", "*", "*", "--as=x", "--as-group=system:masters")).out == "yes\n"
        listed = await kubectl("auth", "can-i", "--list", "--as=nina")
        assert ["configmaps", "[]", "[]", "[get", "list]"] in listed.rows
        assert ["[/healthz]", "[]", "[get]"] in listed.rows


async def test_who_am_i(tmp_path: Path) -> None:
    async with served(tmp_path) as (kubectl, _):
        assert ["Username", "admin"] in (await kubectl("auth", "whoami")).rows
        other = await kubectl("auth", "whoami", "--as=nina", "--as-group=crowd", "--as-uid=u-1")
        assert ["Username", "nina"] in other.rows
        assert ["UID", "u-1"] in other.rows
        assert ["Groups", "[crowd", "system:authenticated]"] in other.rows


async def test_a_refusal_is_told_as_by_a_cluster(tmp_path: Path) -> None:
    async with served(tmp_path) as (kubectl, _):
        refused = await kubectl.try_to("get", "pods", "--as=nina")
        assert (refused.status, refused.err) == (
            1,
            'Error from server (Forbidden): pods is forbidden: User "nina" cannot list resource "pods" in API group "" '
            'in the namespace "default"\n',
        )


async def test_a_service_account_has_a_kubeconfig_by_its_token(tmp_path: Path) -> None:
    """Its token takes the place of the administrator's, and it may do what is bound to it."""
    async with served(tmp_path) as (kubectl, _):
        await kubectl("apply", "-f", "-", stdin=READER)
        token = (await kubectl("create", "token", "bot")).out.strip()
        config = (tmp_path / "kubeconfig").read_text()
        (tmp_path / "as-bot").write_text(re.sub(r"token: \S+", f"token: {token}", config))
        bot = Kubectl(tmp_path / "as-bot", tmp_path)
        assert ["Username", "system:serviceaccount:default:bot"] in (await bot("auth", "whoami")).rows
        assert (await bot("get", "configmaps")).status == 0
        refused = await bot.try_to("get", "secrets")
        assert 'User "system:serviceaccount:default:bot" cannot list resource "secrets"' in refused.err
        refused = await bot.try_to("get", "pods", "--as=nina")
        assert 'cannot impersonate-on:user-info:list resource "pods"' in refused.err


async def test_roles_are_reconciled(tmp_path: Path) -> None:
    """`auth reconcile` makes what is missing and adds rules that are."""
    more = list(yaml.safe_load_all(READER))
    more[0]["rules"].append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
    async with served(tmp_path) as (kubectl, _):
        made = await kubectl("auth", "reconcile", "-f", "-", stdin=READER)
        assert made.out.splitlines() == [
            "role.rbac.authorization.k8s.io/reader reconciled",
            "rolebinding.rbac.authorization.k8s.io/reader reconciled",
        ]
        await kubectl("auth", "reconcile", "-f", "-", stdin=yaml.safe_dump_all(more))
        assert (await kubectl("auth", "can-i", "get", "secrets", "--as=nina")).out == "yes\n"


async def test_nobody_grants_what_it_has_not(tmp_path: Path) -> None:
    """Who may write roles cannot make itself an administrator."""
    async with served(tmp_path) as (kubectl, tracker):
        rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create"]}
        tracker.create(CLUSTER_ROLES, {"metadata": {"name": "roles"}, "rules": [rule]})
        await kubectl("create", "clusterrolebinding", "roles", "--clusterrole=roles", "--user=nina")
        role = ("create", "clusterrole", "more", "--verb=get", "--resource=secrets", "--as=nina")
        refused = await kubectl.try_to(*role)
        assert refused.err == (
            'Error from server (Forbidden): clusterroles.rbac.authorization.k8s.io "more" is forbidden: user "nina" '
            '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
            '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}\n'
        )
