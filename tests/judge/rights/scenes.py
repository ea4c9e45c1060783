"""
Random policies, and random requests about them.

A scene is made by a number alone: roles and bindings, and then requests of users, of a service account, and of what
they say they are. All of it is plain data.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Plain = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
API = f"/apis/{GROUP}/v1"
PREFIX = "rt"
PLACES = (f"{PREFIX}-a", f"{PREFIX}-b")
BY_TOKEN = ("Authorization", "Bearer ${TOKEN}")

_VERBS: tuple[str, ...] = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*")
_RARE_VERBS: tuple[str, ...] = (
    "escalate",
    "bind",
    "impersonate",
    "impersonate:user-info",
    "impersonate-on:user-info:get",
    "Get",
)
_RARE_VERBS += ("impersonate:serviceaccount", "impersonate-on:serviceaccount:list", "impersonate:arbitrary-node")
_RARE_VERBS += ("impersonate-on:arbitrary-node:get", "impersonate-on:user-info:list", "impersonate-on:user-info:create")
_GROUPS: tuple[str, ...] = ("", "apps", GROUP, "authentication.k8s.io", "authorization.k8s.io", "*")
_RESOURCES: tuple[str, ...] = (
    "configmaps",
    "pods",
    "pods/log",
    "pods/*",
    "*/log",
    "*/scale",
    "deployments",
    "deployments/scale",
    "*",
)
_RESOURCES += ("roles", "rolebindings", "clusterroles", "clusterrolebindings", "namespaces", "widgets", "configmaps/x")
_ACTED: tuple[str, ...] = (
    "users",
    "groups",
    "serviceaccounts",
    "userextras/team",
    "userextras/rt.io/x",
    "uids",
    "nodes",
    "userextras/*",
)
_NAMES: tuple[str, ...] = ("one", "two", f"{PREFIX}-nina", f"{PREFIX}-r0", f"{PREFIX}-c0", PLACES[0], "bot", "")
_URLS: tuple[str, ...] = ("/metrics", "/version", "/healthz/*", "/api/*", "/openapi/v2", "*", "/foo*", "/logs*", "/api")
_USERS: tuple[str, ...] = (
    f"{PREFIX}-nina",
    f"{PREFIX}-ned",
    f"system:serviceaccount:{PLACES[1]}:bot",
    "system:anonymous",
)
_CROWDS: tuple[str, ...] = (
    f"{PREFIX}-crowd",
    f"{PREFIX}-team",
    "system:serviceaccounts",
    f"system:serviceaccounts:{PLACES[0]}",
)
_ALL_GROUPS = (*_CROWDS, "system:authenticated", "system:unauthenticated", "system:masters", "")
_NODE = "system:node:rt-n1"
_PATHS: tuple[str, ...] = (
    "/metrics",
    "/version",
    "/version/",
    "/healthz",
    "/livez/ping",
    "/api",
    "/apis",
    "/apis/apps",
    "/apis/apps/v1",
)
_PATHS += ("/openapi/v3", "/foo", "/nope/x", "/logs/a", "/api/v1", "/readyz")
_OBJECTS: tuple[str, ...] = ("configmaps", "pods", "secrets", "widgets", "services")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `body` is sent as JSON unless it is None."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What is made first, and what is asked then.

    `account` is a service account of the first namespace that only this scene has: servers remember how others acted.
    """

    account: str
    policy: tuple[tuple[str, Plain], ...]
    """Collections, and the objects to make in them."""
    requests: tuple[Request, ...] = field(repr=False)


class Maker:
    """Makes the parts of a scene of a random source."""

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)
        self._account = f"bot-{number}"
        self._users = (*_USERS, f"system:serviceaccount:{PLACES[0]}:{self._account}")

    def scene(self, requests: int) -> Scene:
        """Return a scene with so many requests."""
        policy = tuple(self._policy())
        return Scene(self._account, policy, tuple(self._request() for _ in range(requests)))

    # ---- roles and bindings ------------------------------------------------------------------------------------------

    def _some(self, values: tuple[str, ...], most: int = 3) -> list[str]:
        return self._random.sample(values, self._random.randint(1, most))

    def _one(self, *values: Any) -> Any:
        return self._random.choice(values)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _rule(self, *, cluster: bool) -> Plain:
        if cluster and self._chance(0.2):
            return {"nonResourceURLs": self._some(_URLS), "verbs": self._some(("get", "post", "put", "*"), 2)}
        if self._chance(0.25):
            rule = {
                "apiGroups": self._some(("", "authentication.k8s.io", "*"), 2),
                "resources": self._some(_ACTED),
                "verbs": self._some(_RARE_VERBS),
            }
        else:
            verbs = self._some(_VERBS) + (self._some(_RARE_VERBS, 1) if self._chance(0.3) else [])
            rule = {"apiGroups": self._some(_GROUPS, 2), "resources": self._some(_RESOURCES), "verbs": verbs}
        return rule | ({"resourceNames": self._some(_NAMES, 2)} if self._chance(0.25) else {})

    def _role(self, name: str, *, cluster: bool) -> Plain:
        rules = [self._rule(cluster=cluster) for _ in range(self._random.randint(0, 3))]
        kind = "ClusterRole" if cluster else "Role"
        return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": {"name": name}, "rules": rules}

    def _binding(self, name: str, *, cluster: bool) -> Plain:
        subjects = [self._subject() for _ in range(self._random.randint(0, 3))]
        kind = "ClusterRole" if cluster or self._chance(0.4) else "Role"
        letter = "c" if kind == "ClusterRole" else "r"
        role = self._one(*(f"{PREFIX}-{letter}{number}" for number in range(4)))
        if kind == "ClusterRole" and self._chance(0.2):
            role = self._one("view", "cluster-admin", "edit", "system:discovery")
        reference = {"apiGroup": GROUP, "kind": kind, "name": role}
        kind = "ClusterRoleBinding" if cluster else "RoleBinding"
        metadata = {"name": name}
        return {
            "apiVersion": f"{GROUP}/v1",
            "kind": kind,
            "metadata": metadata,
            "roleRef": reference,
            "subjects": subjects,
        }

    def _subject(self) -> Plain:
        match self._one("User", "User", "Group", "ServiceAccount"):
            case "User":
                return {"kind": "User", "name": self._one(*_USERS[:2], self._users[-1]), "apiGroup": GROUP}
            case "Group":
                return {"kind": "Group", "name": self._one(*_CROWDS), "apiGroup": GROUP}
        return {"kind": "ServiceAccount", "name": self._account, "namespace": self._one(PLACES[0], *PLACES)}

    def _policy(self) -> Iterator[tuple[str, Plain]]:
        for number in range(3):
            yield f"{API}/clusterroles", self._role(f"{PREFIX}-c{number}", cluster=True)
            for place in PLACES:
                yield f"{API}/namespaces/{place}/roles", self._role(f"{PREFIX}-r{number}", cluster=False)
        for number in range(self._random.randint(0, 3)):
            yield f"{API}/clusterrolebindings", self._binding(f"{PREFIX}-cb{number}", cluster=True)
        for place in PLACES:
            for number in range(self._random.randint(0, 3)):
                yield f"{API}/namespaces/{place}/rolebindings", self._binding(f"{PREFIX}-b{number}", cluster=False)

    # ---- requests ----------------------------------------------------------------------------------------------------

    def _request(self) -> Request:
        ask = self._one(self._call, self._call, self._path, self._review, self._review, self._rules, self._who)
        ask = self._one(ask, ask, self._write_role, self._write_binding)
        request: Request = ask()
        return Request(request.method, request.path, request.body, request.content_type, self._headers())

    def _headers(self) -> tuple[tuple[str, str], ...]:
        """Who asks: somebody whom the administrator acts as, or the service account, which may act as somebody."""
        return tuple(self._who_asks())

    def _who_asks(self) -> Iterator[tuple[str, str]]:
        by_token = self._chance(0.4)
        if by_token:
            yield BY_TOKEN
        if by_token and self._chance(0.4):
            return
        if self._chance(0.97):
            yield "Impersonate-User", self._one(*self._users, _NODE)
        if self._chance(0.4):
            groups = _ALL_GROUPS if by_token or self._chance(0.2) else _CROWDS
            yield from (("Impersonate-Group", group) for group in self._some(groups, self._one(1, 1, 2, len(groups))))
        if self._chance(0.12):
            name = self._one("Impersonate-Extra-team", "Impersonate-Extra-rt.io%2Fx")
            yield from ((name, value) for value in self._some(("one", "two", "", "x", "y"), self._one(1, 1, 5)))
        if self._chance(0.12):
            yield "Impersonate-Uid", self._one("one", "two")

    def _place(self) -> str:
        return str(self._one(*PLACES))

    def _call(self) -> Request:
        ask = self._one(self._read, self._read, self._write_object, self._elsewhere)
        request: Request = ask()
        return request

    def _read(self) -> Request:
        name = self._one("one", "two")
        base = f"/api/v1/namespaces/{self._place()}/{self._one(*_OBJECTS)}"
        queries: tuple[str, ...] = ("", "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnone")
        queries += (f"?fieldSelector=metadata.name%3D{name}&limit=1", f"/{name}", f"/{name}/status")
        return Request("GET", f"{base}{self._one(*queries)}")

    def _write_object(self) -> Request:
        place, name = self._place(), self._one("one", "two")
        base = f"/api/v1/namespaces/{place}/{self._one(*_OBJECTS)}/{name}?dryRun=All"
        maps = f"/api/v1/namespaces/{place}/configmaps"
        whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        part = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}
        role = self._one("one", f"{PREFIX}-r0")
        roles = f"{API}/namespaces/{place}/roles/{role}?dryRun=All"
        chosen: Request = self._one(
            Request("POST", f"{maps}?dryRun=All", whole),
            Request("PATCH", f"{maps}/{name}?fieldManager=m&dryRun=All", part, "application/apply-patch+yaml"),
            Request("PATCH", base, {"data": {}}, "application/merge-patch+json"),
            Request("DELETE", base),
            Request("PUT", roles, self._role(role, cluster=False)),
        )
        return chosen

    def _elsewhere(self) -> Request:
        place, name = self._place(), self._one("one", "two")
        apps = f"/apis/apps/v1/namespaces/{place}"
        chosen: Request = self._one(
            Request("GET", f"{apps}/deployments/{name}/scale"),
            Request("GET", f"/api/v1/namespaces/{place}/pods/{name}/{self._one('log', 'exec', 'status')}"),
            Request("DELETE", f"{apps}/{self._one('deployments', 'widgets')}"),
            Request("GET", f"/api/v1/{self._one('nodes', 'configmaps', 'namespaces/' + place)}?limit=1"),
            Request("GET", f"/api/v1/watch/{self._one('', f'namespaces/{place}/')}configmaps?timeoutSeconds=1"),
        )
        return chosen

    def _path(self) -> Request:
        return Request(self._one("GET", "GET", "POST", "HEAD"), self._one(*_PATHS))

    def _attributes(self, place: str) -> Plain:
        verb = self._one(*_VERBS, *_RARE_VERBS)
        if self._chance(0.2):
            path = self._one(*_PATHS, *_URLS)
            return {"nonResourceAttributes": {"path": path, "verb": self._one("get", "post", verb)}}
        resource, _, subresource = self._one(*_RESOURCES, *_ACTED).partition("/")
        wanted = {"verb": verb, "group": self._one(*_GROUPS), "resource": resource, "subresource": subresource}
        wanted |= {"namespace": place, "name": self._one("", *_NAMES)}
        if self._chance(0.1):
            wanted["fieldSelector"] = {"requirements": [{"key": "a", "operator": self._one("In", "Exists", "Odd")}]}
        return {"resourceAttributes": {name: value for name, value in wanted.items() if value}}

    def _review(self) -> Request:
        place = self._one("", *PLACES)
        kind = self._one("SelfSubjectAccessReview", "SubjectAccessReview", "LocalSubjectAccessReview")
        spec = self._attributes(place)
        path = "/apis/authorization.k8s.io/v1"
        metadata = {}
        if kind != "SelfSubjectAccessReview":
            spec |= {"user": self._one(*self._users, _NODE)} if self._chance(0.9) else {}
            spec |= {"groups": self._some(_CROWDS, 2)} if self._chance(0.5) else {}
        if kind == "LocalSubjectAccessReview":
            path = f"{path}/namespaces/{place or PLACES[0]}"
            metadata = {"namespace": place or PLACES[0]}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
        return Request("POST", f"{path}/{kind.lower()}s", body)

    def _rules(self) -> Request:
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
        return Request(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            body | {"spec": {"namespace": self._place()}},
        )

    def _who(self) -> Request:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        return Request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)

    def _write_role(self) -> Request:
        cluster = self._chance(0.5)
        base = f"{API}/clusterroles" if cluster else f"{API}/namespaces/{self._place()}/roles"
        name = self._one("one", f"{PREFIX}-{'c' if cluster else 'r'}0")
        role = self._role(name, cluster=cluster)
        if cluster and self._chance(0.2):
            role["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"rt": "x"}}]}
        return self._write(base, name, role, {"rules": role["rules"]})

    def _write_binding(self) -> Request:
        cluster = self._chance(0.5)
        base = f"{API}/clusterrolebindings" if cluster else f"{API}/namespaces/{self._place()}/rolebindings"
        name = self._one("one", f"{PREFIX}-{'cb' if cluster else 'b'}0")
        binding = self._binding(name, cluster=cluster)
        return self._write(base, name, binding, {"subjects": binding["subjects"]})

    def _write(self, base: str, name: str, body: Plain, patch: Plain) -> Request:
        match self._random.randint(0, 4):
            case 0:
                return Request("PUT", f"{base}/{name}?dryRun=All", body)
            case 1:
                return Request("PATCH", f"{base}/{name}?dryRun=All", patch, "application/merge-patch+json")
            case 2:
                path = f"{base}/{name}?dryRun=All&fieldManager=m&force=true"
                return Request("PATCH", path, body, "application/apply-patch+yaml")
            case 3:
                patch = {"metadata": {"finalizers": ["example.com/x"]}}
                return Request("PATCH", f"{base}/{name}?dryRun=All", patch, "application/merge-patch+json")
        return Request("POST", f"{base}?dryRun=All", body)


def scene_of(number: int, requests: int) -> Scene:
    """Return the scene of a number, always the same."""
    return Maker(number).scene(requests)
