"""Actions and HTTP requests are two forms of one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import ApiError, BadRequest, NotFound, UnsupportedMediaType
from ctrlkit.model import Action, AnyResource, Options, PatchType, Scope, Verb, custom_resource
from ctrlkit.model.kinds import BUILT_IN, NAMESPACES, NODES, PODS, STATEFULSETS
from ctrlkit.wire.routes import HttpRequest, to_action, to_http

WIDGETS = custom_resource(group="demo.dev", version="v1alpha1", kind="Widget", plural="widgets")
FLEETS = custom_resource(group="demo.dev", kind="Fleet", plural="fleets", scope=Scope.CLUSTER)
SERVED = (*BUILT_IN, WIDGETS, FLEETS)


def resolve(group: str, version: str, plural: str) -> AnyResource | None:
    """Find what SERVED has."""
    return next((kind for kind in SERVED if (kind.group, kind.version, kind.plural) == (group, version, plural)), None)


def back(request: HttpRequest) -> Action:
    """Read a request as a server would."""
    return to_action(request.method, request.path, request.query, request.headers, request.body, resolve)


NAMES = st.text(min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..") and not set(text) & set("/%\ud800")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(TEXTS.filter(lambda field: field != "metadata"), JSON, max_size=3)


@st.composite
def _options(draw: st.DrawFn, *, verb: Verb) -> Options:
    deletes = verb in (Verb.DELETE, Verb.DELETE_COLLECTION)
    number = st.integers(min_value=0, max_value=10**6)
    return Options(
        label_selector=draw(TEXTS),
        field_selector=draw(TEXTS),
        limit=draw(number),
        continue_token=draw(TEXTS),
        resource_version=draw(TEXTS),
        resource_version_match=draw(TEXTS),
        timeout_s=draw(number),
        allow_watch_bookmarks=draw(st.booleans()),
        send_initial_events=draw(st.none() | st.booleans()),
        metadata_only=False if verb.writes else draw(st.booleans()),
        dry_run=draw(st.booleans()),
        field_manager=draw(TEXTS),
        field_validation=draw(TEXTS),
        force=draw(st.booleans()),
        propagation_policy=draw(TEXTS),
        grace_period_s=draw(st.none() | number),
        precondition_uid=draw(TEXTS) if deletes else "",
        precondition_version=draw(TEXTS) if deletes else "",
    )


@st.composite
def _actions(draw: st.DrawFn) -> Action:
    verb = draw(st.sampled_from(list(Verb)))
    resource = draw(st.sampled_from(SERVED))
    collection = verb in (Verb.LIST, Verb.WATCH, Verb.DELETE_COLLECTION)
    name = "" if collection else draw(NAMES)
    other = "finalize" if resource == NAMESPACES else "scale"
    subresource = "" if collection else draw(st.sampled_from(["", "status", other]))
    everywhere = verb in (Verb.LIST, Verb.WATCH) and draw(st.booleans())
    patch_type = draw(st.sampled_from(PatchType)) if verb is Verb.PATCH else None
    body: Any = None
    if verb in (Verb.CREATE, Verb.UPDATE, Verb.PATCH):
        body = draw(st.lists(OBJECTS, max_size=3)) if patch_type is PatchType.JSON else draw(OBJECTS)
    if verb is Verb.CREATE and not subresource:
        body["metadata"] = {"name": name}
    return Action(
        verb=verb,
        resource=resource,
        namespace=draw(NAMES) if resource.namespaced and not everywhere else "",
        name=name,
        subresource=subresource,
        body=body,
        patch_type=patch_type,
        options=draw(_options(verb=verb)),
    )


@given(_actions())
def test_any_action_survives_the_way_there(action: Action) -> None:
    """For any Action, reading the request it becomes gives the same Action, with the options that its verb has."""
    found = back(to_http(action))
    assert replace(found, options=Options()) == replace(action, options=Options())
    assert back(to_http(found)) == found
    unset = Options()
    changed = [name for name in Options.__slots__ if getattr(found.options, name) != getattr(action.options, name)]
    assert all(getattr(found.options, name) == getattr(unset, name) for name in changed)


@pytest.mark.parametrize(
    ("action", "method", "target"),
    [
        (Action(verb=Verb.LIST, resource=PODS), "GET", "/api/v1/pods"),
        (Action(verb=Verb.GET, resource=NAMESPACES, name="demo"), "GET", "/api/v1/namespaces/demo"),
        (
            Action(verb=Verb.UPDATE, resource=NAMESPACES, name="demo", subresource="status", body={}),
            "PUT",
            "/api/v1/namespaces/demo/status",
        ),
        (
            Action(verb=Verb.PATCH, resource=STATEFULSETS, namespace="d", name="n", subresource="scale", body={}),
            "PATCH",
            "/apis/apps/v1/namespaces/d/statefulsets/n/scale",
        ),
        (Action(verb=Verb.DELETE, resource=FLEETS, name="a:b"), "DELETE", "/apis/demo.dev/v1/fleets/a%3Ab"),
        (Action(verb=Verb.WATCH, resource=NODES), "GET", "/api/v1/nodes?watch=true"),
    ],
)
def test_paths_are_those_of_the_api(action: Action, method: str, target: str) -> None:
    """Core and named groups, namespaced and cluster-scoped kinds, subresources."""
    request = to_http(action)
    query = "".join(f"?{name}={value}" for name, value in request.query)
    assert (request.method, request.path + query) == (method, target)


def test_a_delete_says_everything_in_its_body() -> None:
    """A server that is sent DeleteOptions does not look at the query, so nothing may be split between the two."""
    options = Options(
        dry_run=True, grace_period_s=0, propagation_policy="Foreground", precondition_uid="u", precondition_version="7"
    )
    request = to_http(Action(verb=Verb.DELETE, resource=PODS, namespace="demo", name="a", options=options))
    assert request.query == ()
    assert request.body is not None
    assert msgspec.json.decode(request.body) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "dryRun": ["All"],
    }


def test_a_delete_may_say_it_in_the_query() -> None:
    """Other clients do."""
    query = [("gracePeriodSeconds", "0"), ("propagationPolicy", "Orphan")]
    action = to_action("DELETE", "/api/v1/namespaces/demo/pods/a", query, {}, None, resolve)
    assert action.options == Options(grace_period_s=0, propagation_policy="Orphan")


@pytest.mark.parametrize("word", ["name", "namespace"])
@pytest.mark.parametrize("text", [".", "..", "a/b", "a%2Fb", "%"])
@pytest.mark.behaviour("C8")
def test_names_that_are_no_names_are_refused_here(word: str, text: str) -> None:
    """No request is made that a server could take for another path."""
    namespace, name = ("demo", text) if word == "name" else (text, "a")
    with pytest.raises(BadRequest, match="may not be"):
        to_http(Action(verb=Verb.GET, resource=PODS, namespace=namespace, name=name))


@pytest.mark.parametrize("path", ["/api/v1/namespaces/demo/pods/a%2Fb", "/api/v1/namespaces/../pods/a"])
@pytest.mark.behaviour("C8")
def test_a_server_refuses_them_too(path: str) -> None:
    """A name that only looks like one after decoding is a bad request."""
    with pytest.raises(BadRequest):
        to_action("GET", path, [], {}, None, resolve)


@pytest.mark.parametrize(
    "action",
    [
        Action(verb=Verb.GET, resource=PODS, namespace="demo"),
        Action(verb=Verb.CREATE, resource=PODS, namespace="demo", subresource="eviction", body={}),
        Action(verb=Verb.GET, resource=PODS, name="a"),
        Action(verb=Verb.CREATE, resource=PODS, body={}),
        Action(verb=Verb.DELETE_COLLECTION, resource=PODS),
        Action(verb=Verb.GET, resource=NODES, namespace="demo", name="a"),
        Action(verb=Verb.WATCH, resource=PODS, namespace="demo", name="a"),
        Action(verb=Verb.GET, resource=NAMESPACES, name="demo", subresource="pods"),
    ],
    ids=str,
)
@pytest.mark.behaviour("C8")
def test_an_action_without_its_place_is_refused(action: Action) -> None:
    """Names and namespaces are given exactly where the verb and the kind need them."""
    with pytest.raises(BadRequest):
        to_http(action)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/v1",
        "/apis/apps/v1",
        "/healthz",
        "/api/v1/secretz",
        "/api/v1/namespaces/demo/nodes/a",
        "/api/v1/namespaces/demo/pods/a/status/more",
    ],
)
def test_unknown_paths_are_not_found(path: str) -> None:
    """What leads to no resource is NotFound."""
    with pytest.raises(NotFound):
        to_action("GET", path, [], {}, None, resolve)


@pytest.mark.parametrize(
    ("text", "verb"), [("1", Verb.WATCH), ("true", Verb.WATCH), ("", Verb.WATCH), ("0", Verb.LIST)]
)
def test_watch_is_read_as_servers_do(text: str, verb: Verb) -> None:
    """Any form of true; of a parameter given twice the first counts."""
    query = [("watch", text), ("fieldSelector", "metadata.name=x"), ("watch", "nonsense")]
    action = to_action("GET", "/api/v1/pods", query, {}, None, resolve)
    assert (action.verb, action.options.field_selector) == (verb, "metadata.name=x")


YAML = b"""
# a comment
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {since: 2026-01-02T03:04:05Z}}
"""


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("PATCH", "/api/v1/namespaces/demo/pods/a", "application/apply-patch+yaml"),
        ("POST", "/api/v1/namespaces/demo/pods", "application/yaml; charset=utf-8"),
    ],
)
def test_yaml_bodies_are_read(method: str, path: str, content_type: str) -> None:
    """As Kubernetes reads YAML: a time stamp stays text."""
    action = to_action(method, path, [], {"Content-Type": content_type}, YAML, resolve)
    assert action.name == "a"
    assert action.body["metadata"]["annotations"] == {"since": "2026-01-02T03:04:05Z"}


@pytest.mark.parametrize(
    ("method", "content_type", "body", "kind"),
    [
        ("PATCH", "application/json", b"{}", UnsupportedMediaType),
        ("PATCH", "application/apply-patch+yaml", b"a: [", BadRequest),
        ("PUT", "application/vnd.kubernetes.protobuf", b"k8s", UnsupportedMediaType),
        ("PUT", "application/json", b"", BadRequest),
        ("PUT", "application/json", b"{", BadRequest),
        ("DELETE", "application/json", b'{"gracePeriodSeconds": "soon"}', BadRequest),
        ("BREW", "application/json", None, BadRequest),
    ],
)
def test_bodies_that_cannot_be_read_are_refused(
    method: str, content_type: str, body: bytes | None, kind: type[ApiError]
) -> None:
    """Unknown forms are UnsupportedMediaType, broken ones BadRequest."""
    with pytest.raises(kind):
        to_action(method, "/api/v1/namespaces/demo/pods/a", [], {"Content-Type": content_type}, body, resolve)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (("limit", "many"), 'strconv.ParseInt: parsing "many": invalid syntax'),
        (("limit", "1_000"), "invalid syntax"),
        (("limit", str(2**63)), "value out of range"),
        (("timeoutSeconds", "9" * 5_000), "value out of range"),
    ],
)
def test_parameters_that_cannot_be_read_are_refused(query: tuple[str, str], words: str) -> None:
    """BadRequest says why, in the words of Go's reader of numbers."""
    with pytest.raises(BadRequest, match=words):
        to_action("GET", "/api/v1/pods", [query], {}, None, resolve)


def test_an_object_is_not_created_at_its_own_path() -> None:
    """A POST to a named object is a bad request, one to its subresource is not."""
    with pytest.raises(BadRequest):
        to_action("POST", "/api/v1/namespaces/demo/pods/a", [], {}, b"{}", resolve)
    action = to_action("POST", "/api/v1/namespaces/demo/pods/a/eviction", [], {}, b"{}", resolve)
    assert str(action) == "create pods/eviction demo/a"
