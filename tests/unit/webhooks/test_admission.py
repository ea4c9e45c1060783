"""What a server posts to admission webhooks, and what it is answered."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ctrlkit import Denied, MergePatch, Review, clock, mutating, validating
from ctrlkit.errors import Conflict
from ctrlkit.failures import UNFORESEEN
from ctrlkit.kinds import PODS, core
from ctrlkit.model import ObjectKey, Unstructured
from ctrlkit.webhooks import Cause, User, Webhooks
from ctrlkit.webhooks.webhooks import REVIEW_BYTES_MAX
from tests.unit.webhooks.support import CACHES, Cache, admission, ask, cache


@validating(CACHES, operations=["CREATE", "UPDATE", "DELETE"])
def check(thing: Cache, review: Review[Cache]) -> None:
    if thing.spec.size < 1:
        raise Denied("spec.size: 0 is too small; write 1 or more")
    if review.old is not None and review.operation == "UPDATE" and review.old.spec.size > thing.spec.size:
        review.warn(f"{review.old.spec.size - thing.spec.size} fewer forget what they hold")


@mutating(CACHES)
def defaults(thing: Cache, _review: Review[Cache]) -> Cache | None:
    return None if thing.spec.image else replace(thing, spec=replace(thing.spec, image="redis:7"))


PATH = "/validate-example-com-v1-cache"


# ---- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("W2")
@pytest.mark.parametrize(
    ("body", "code", "words", "uid"),
    [
        (b"", 400, "no AdmissionReview: the body is empty", None),
        (b"no json", 400, "no AdmissionReview: ", None),
        (b"\xff\xfe", 400, "no AdmissionReview: ", None),
        (b'{"a":' * 100_000, 400, "no AdmissionReview: ", None),
        (b"[1]", 400, "no AdmissionReview: ", None),
        (b"{}", 400, "something without a kind of no version: send AdmissionReview of admission.k8s.io/v1 or", None),
        (b'{"kind": "Pod", "apiVersion": "v1", "request": {"uid": "u"}}', 400, "Pod of v1: send AdmissionReview", "u"),
        (b'{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}', 400, "the request of", None),
        (admission(cache(), operation="BURN"), 400, "Invalid enum value 'BURN'", "u-1"),
        (b" " * REVIEW_BYTES_MAX, 413, f"a review of {REVIEW_BYTES_MAX} bytes", None),
    ],
)
async def test_what_is_no_review_is_answered_by_a_code_inside_of_one(
    body: bytes, code: int, words: str, uid: str | None
) -> None:
    """The HTTP status is 200 all the same; the uid is echoed where it could be read."""
    response = await ask(Webhooks([check]), body)
    assert (response["allowed"], response["status"]["code"], response.get("uid")) == (False, code, uid)
    assert words in response["status"]["message"]


@pytest.mark.behaviour("W2")
@pytest.mark.parametrize(
    ("content_type", "allowed"),
    [("application/json", True), ("application/json; charset=utf-8", True), ("text/plain", False), ("", False)],
)
async def test_the_content_type_is_json(content_type: str, allowed: bool) -> None:
    response = await ask(Webhooks([check]), admission(cache(size=1)), content_type=content_type)
    assert response["allowed"] is allowed


@pytest.mark.behaviour("W2")
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_review_is_answered_in_its_own_version_with_its_uid(version: str) -> None:
    webhooks = Webhooks([defaults])
    answer = await webhooks.answer("/mutate-example-com-v1-cache", admission(cache(), version=version))
    review = msgspec.json.decode(answer.body)
    assert (review["kind"], review["apiVersion"]) == ("AdmissionReview", f"admission.k8s.io/{version}")
    response = review["response"]
    assert (response["uid"], response["allowed"], response["patchType"]) == ("u-1", True, "JSONPatch")


@pytest.mark.behaviour("W9")
async def test_paths_are_those_of_controller_runtime_and_each_webhook_has_one_of_its_own() -> None:
    """The path of the kind leads to its only webhook; what leads nowhere is 404, and names what there is."""

    @validating(CACHES)
    def other(_thing: Cache, _review: Review[Cache]) -> None:
        raise Denied("other")

    assert (check.kind_path, check.path) == (PATH, f"{PATH}/check")
    assert defaults.kind_path == "/mutate-example-com-v1-cache"
    alone, both = Webhooks([check]), Webhooks([check, other])
    for path in (PATH, f"{PATH}/", f"{PATH}/check", f"{PATH}/check?timeout=5s"):
        assert (await ask(alone, admission(cache(size=1)), path))["allowed"]
    assert not (await ask(both, admission(cache(size=1)), f"{PATH}/other"))["allowed"]
    for webhooks, path in ((both, PATH), (alone, "/nowhere"), (alone, "/convert")):
        status, body = await webhooks.answer(path, admission(cache()))
        assert (status, b"there are /validate-example-com-v1-cache/check" in body) == (404, True)


# ---- what functions are told and say ---------------------------------------------------------------------------------


async def test_a_function_is_told_all_of_a_request() -> None:
    seen: list[Review[Cache]] = []

    @validating(CACHES)
    def look(thing: Cache, review: Review[Cache]) -> None:
        seen.append(review)
        assert thing.metadata.labels == {"a": "1"}

    obj = cache(size=2)
    obj["metadata"]["labels"] = {"a": "1"}
    user = {"username": "ann", "uid": "7", "groups": ["dev"], "extra": {"scopes": ["x"]}}
    options = {"kind": "UpdateOptions", "fieldManager": "kubectl"}
    await ask(
        Webhooks([look]),
        admission(obj, "UPDATE", oldObject=cache(size=1), userInfo=user, dryRun=True, options=options),
    )
    (review,) = seen
    assert (review.operation, review.key, review.dry_run) == ("UPDATE", ObjectKey("demo", "a"), True)
    assert review.user == User(name="ann", uid="7", groups=("dev",), extra={"scopes": ("x",)})
    assert review.options["fieldManager"] == "kubectl"
    assert review.old is not None
    assert review.old.spec.size == 1
    assert review.request["oldObject"]["spec"] == {"size": 1}
    assert review.resource == CACHES


@pytest.mark.behaviour("W6")
async def test_warnings_are_told_whether_a_request_is_allowed_or_not() -> None:
    """And audit annotations are."""

    @validating(CACHES)
    def talk(thing: Cache, review: Review[Cache]) -> None:
        review.warn("one")
        review.audit("why", "because")
        if thing.spec.size == 0:
            raise Denied("no")

    for size, allowed in ((1, True), (0, False)):
        response = await ask(Webhooks([talk]), admission(cache(size=size)))
        assert response["allowed"] is allowed
        assert (response["warnings"], response["auditAnnotations"]) == (["one"], {"why": "because"})


@pytest.mark.behaviour("W6")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Denied("no"), {"code": 403, "reason": "Forbidden", "message": "no"}),
        (Denied("no", code=409), {"code": 409, "reason": "Conflict", "message": "no"}),
        (
            Denied(causes=[Cause("spec.size", "is odd"), Cause("spec.image", "is empty")]),
            {"code": 422, "reason": "Invalid", "message": "spec.size: is odd; spec.image: is empty"},
        ),
        (Conflict("try again"), {"code": 409, "reason": "Conflict", "message": "try again"}),
    ],
)
async def test_a_refusal_has_a_code_a_reason_and_causes(error: Exception, status: dict[str, Any]) -> None:
    """Denied is 403, or 422 with causes; an ApiError passes as it is."""

    @validating(CACHES)
    def refuse(_thing: Cache, _review: Review[Cache]) -> None:
        raise error

    response = await ask(Webhooks([refuse]), admission(cache()))
    assert response["allowed"] is False
    assert response["status"].items() >= status.items()
    causes = response["status"].get("details", {}).get("causes", [])
    assert [each["field"] for each in causes] == [each.field for each in getattr(error, "causes", ())]


@pytest.mark.behaviour("W5", "W6")
async def test_the_object_of_a_delete_is_the_old_one_and_is_not_changed() -> None:
    @mutating(CACHES, operations=["DELETE"])
    def touch(thing: Cache, review: Review[Cache]) -> MergePatch:
        assert (thing.spec.size, review.old) == (3, thing)
        return MergePatch({"spec": None})

    response = await ask(Webhooks([touch]), admission(None, "DELETE", oldObject=cache(size=3)))
    assert (response["allowed"], response.get("patch")) == (True, None)


async def test_what_is_sent_to_a_subresource_has_a_type_of_its_own() -> None:
    class Eviction(msgspec.Struct):
        delete_options: dict[str, Any] = msgspec.field(name="deleteOptions", default_factory=dict)

    @validating(PODS, subresource="eviction", operations=["CREATE"], body=Eviction)
    def slow(eviction: Eviction, review: Review[Eviction]) -> None:
        assert review.subresource == "eviction"
        if eviction.delete_options.get("gracePeriodSeconds") == 0:
            raise Denied("take your time")

    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": {"gracePeriodSeconds": 0}}
    webhooks = Webhooks([slow])
    response = await ask(webhooks, admission(eviction, subResource="eviction"))
    assert response["status"]["message"] == "take your time"
    (configuration,) = webhooks.configurations("https://h", name="x")
    assert configuration["webhooks"][0]["rules"][0]["resources"] == ["pods/eviction"]


async def test_built_in_kinds_come_as_their_types_and_keep_what_these_do_not_know() -> None:
    @mutating(core.PODS)
    def always(pod: core.Pod, _review: Review[core.Pod]) -> core.Pod:
        containers = tuple(replace(each, image_pull_policy="Always") for each in pod.spec.containers)
        return replace(pod, spec=replace(pod.spec, containers=containers))

    pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "i", "new": {"field": 1}}]}}
    response = await ask(Webhooks([always]), admission(pod))
    assert response["patch"] == [{"op": "add", "path": "/spec/containers/0/imagePullPolicy", "value": "Always"}]


REVIEWS = [
    review
    for step in msgspec.json.decode(Path(__file__).parents[2].joinpath("scenarios/webhook_reviews.json").read_bytes())
    for _, review in step.get("reviews", ())
]
"""What a kube-apiserver 1.36 sent for requests of every sort."""


async def test_every_review_of_a_real_server_is_read() -> None:
    """Creates, updates, deletes and connections, of objects and of subresources, in v1 and v1beta1."""
    seen: list[Review[Unstructured]] = []

    @validating(PODS, operations=["CREATE", "UPDATE", "DELETE", "CONNECT"])
    def look(thing: Unstructured, review: Review[Unstructured]) -> None:
        assert thing["kind"] or review.request["object"] is None
        assert (review.old is None) is (review.request["oldObject"] is None)
        seen.append(review)

    webhooks = Webhooks([look])
    for recorded in REVIEWS:
        answer = await webhooks.answer(look.path, msgspec.json.encode(recorded))
        review = msgspec.json.decode(answer.body)
        assert {name: review[name] for name in ("kind", "apiVersion")}.items() <= recorded.items()
        assert review["response"] == {"uid": recorded["request"]["uid"], "allowed": True}
    requests = [recorded["request"] for recorded in REVIEWS]
    assert [each.operation for each in seen] == [each["operation"] for each in requests]
    assert [each.dry_run for each in seen] == [each.get("dryRun") or False for each in requests]
    assert [each.user.name for each in seen] == [each["userInfo"].get("username", "") for each in requests]
    assert [each.key.namespace for each in seen] == [each.get("namespace", "") for each in requests]
    for review, request in zip(seen, requests, strict=True):
        assert review.key.name == request.get("name", review.key.name)
    assert {each.operation for each in seen} == {"CREATE", "UPDATE", "DELETE", "CONNECT"}


# ---- what does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("webhook", [check, defaults])
async def test_an_object_that_does_not_fit_its_type_is_refused_with_the_field(webhook: Any) -> None:
    """As a server refuses an object of the kind: 422, with the field as a cause."""
    response = await ask(Webhooks([webhook]), admission(cache(size="big")))
    status = response["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"] == "spec.size: Expected int, got str"
    assert [cause["field"] for cause in status["details"]["causes"]] == ["spec.size"]


async def test_of_a_built_in_kind_it_says_that_it_is_the_webhook_that_cannot_read_it() -> None:
    class Narrow(msgspec.Struct):
        spec: dict[str, int]

    @validating(PODS.of(Narrow))
    def narrow(_pod: Narrow, _review: Review[Narrow]) -> None: ...

    response = await ask(Webhooks([narrow]), admission({"spec": {"nodeName": "n"}}))
    text = "webhook narrow cannot read the object: spec.nodeName: Expected int, got str"
    assert response["status"]["message"] == text


async def test_an_old_object_that_does_not_fit_is_told_only_if_somebody_looks_at_it() -> None:
    """So a broken object can be mended, if the function does not need what it was."""

    @validating(CACHES)
    def compare(_thing: Cache, review: Review[Cache]) -> None:
        assert review.old is None

    @validating(CACHES)
    def ignore(_thing: Cache, _review: Review[Cache]) -> None: ...

    body = admission(cache(size=1), "UPDATE", oldObject=cache(size="big"))
    assert (await ask(Webhooks([ignore]), body))["allowed"]
    response = await ask(Webhooks([compare]), body)
    assert response["status"]["message"] == "as it is stored, spec.size: Expected int, got str"


async def test_an_object_without_a_type_is_never_too_strange() -> None:
    @validating(CACHES.of(Unstructured))
    def any_(thing: Unstructured, _review: Review[Unstructured]) -> None:
        assert thing["spec"] == {"size": "big"}

    assert (await ask(Webhooks([any_]), admission(cache(size="big"))))["allowed"]


async def test_an_object_that_is_going_and_does_not_fit_may_be_let_go() -> None:
    """Whoever removes a finalizer is not kept from it; kubectl prints what does not fit."""
    going = cache(size="big")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    response = await ask(Webhooks([check]), admission(going, "UPDATE", oldObject=going))
    assert response["allowed"]
    assert "spec.size: Expected int, got str" in response["warnings"][0]
    assert not (await ask(Webhooks([check]), admission(None, "DELETE", oldObject=going)))["allowed"]


# ---- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("W3")
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_a_function_that_raises_is_told_by_the_type_of_its_error(policy: Any) -> None:
    """500 with the uid, and no more of it; it is logged and counted. With Ignore the request passes, with a warning."""

    @validating(CACHES, failure_policy=policy)
    def fail(_thing: Cache, _review: Review[Cache]) -> None:
        raise KeyError("secret")

    webhooks, heard = Webhooks([fail]), []
    token = UNFORESEEN.set(lambda error, where: heard.append((type(error), where)))
    try:
        response = await ask(webhooks, admission(cache()))
    finally:
        UNFORESEEN.reset(token)
    text = "webhook fail failed: KeyError; see its log"
    assert (response["uid"], response["allowed"]) == ("u-1", policy == "Ignore")
    if policy == "Fail":
        assert response["status"].items() >= {"code": 500, "reason": "InternalError", "message": text}.items()
    else:
        assert response["warnings"] == [
            f"{text}; the request is allowed all the same, as failures of this webhook are ignored"
        ]
    assert heard == [(KeyError, "webhook fail of caches.example.com")]
    (statistics,) = webhooks.statistics().values()
    assert statistics.failures == 1


async def test_a_result_of_another_type_is_a_failure() -> None:
    @mutating(CACHES)
    def odd(_thing: Cache, _review: Review[Cache]) -> Any:
        return True

    response = await ask(Webhooks([odd]), admission(cache()))
    assert response["status"]["message"] == "webhook odd failed: TypeError; see its log"


@pytest.mark.parametrize(
    ("asked", "limit_s"), [("", 4.5), ("?timeout=2s", 1.8), ("?timeout=30s", 4.5), ("?timeout=x", 4.5)]
)
async def test_a_function_that_takes_too_long_is_cut_off_before_the_server_gives_up(asked: str, limit_s: float) -> None:
    ended: list[str] = []

    @validating(CACHES)
    async def slow(_thing: Cache, _review: Review[Cache]) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cut off")

    began = clock.monotonic()
    response = await ask(Webhooks([slow]), admission(cache()), f"{PATH}{asked}")
    assert clock.monotonic() - began == pytest.approx(limit_s)
    assert ended == ["cut off"]
    text = f"webhook slow did not answer within {limit_s:g} s"
    assert response["status"].items() >= {"code": 504, "reason": "Timeout", "message": text}.items()


async def test_a_dict_is_no_result_for_an_object_of_a_type() -> None:
    """What it leaves out would be removed."""

    @mutating(CACHES)
    def odd(_thing: Cache, _review: Review[Cache]) -> Any:
        return {"spec": {"size": 2}}

    response = await ask(Webhooks([odd]), admission(cache()))
    assert response["status"]["message"] == "webhook odd failed: TypeError; see its log"


async def test_a_time_limit_of_its_own_making_is_a_failure_like_any_other() -> None:
    @validating(CACHES)
    async def timid(_thing: Cache, _review: Review[Cache]) -> None:
        raise TimeoutError

    response = await ask(Webhooks([timid]), admission(cache()))
    assert response["status"]["message"] == "webhook timid failed: TimeoutError; see its log"


@pytest.mark.parametrize("result", [False, True, MergePatch({"spec": {"size": 1}})], ids=type)
async def test_what_a_validating_function_returns_lets_nothing_through(result: object) -> None:
    """A False is no refusal, but whoever returns it means one."""

    @validating(CACHES)
    def odd(_thing: Cache, _review: Review[Cache]) -> Any:
        return result

    response = await ask(Webhooks([odd]), admission(cache()), PATH)
    assert response["allowed"] is False
    assert response["status"]["message"] == "webhook odd failed: TypeError; see its log"


async def test_a_function_whose_helper_is_called_off_is_a_failure_like_any_other() -> None:
    """The server that asks gets an answer, and no end of the connection."""

    @validating(CACHES)
    async def forlorn(_thing: Cache, _review: Review[Cache]) -> None:
        helper = asyncio.create_task(asyncio.sleep(3600))
        helper.cancel()
        await helper

    response = await ask(Webhooks([forlorn]), admission(cache()), PATH)
    assert response["status"]["message"] == "webhook forlorn failed: RuntimeError; see its log"


async def test_one_who_is_called_off_calls_off_the_function() -> None:
    """A server that has gone needs no answer."""
    ended: list[str] = []

    @validating(CACHES)
    async def slow(_thing: Cache, _review: Review[Cache]) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cut off")

    webhooks = Webhooks([slow])
    asking = asyncio.create_task(webhooks.answer(PATH, admission(cache())))
    await asyncio.sleep(1)
    assert [each.in_flight for each in webhooks.statistics().values()] == [1]
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended == ["cut off"]
    assert [each.in_flight for each in webhooks.statistics().values()] == [0]


def test_a_review_can_be_made_for_a_test_of_the_function_alone() -> None:
    with pytest.raises(Denied, match=r"spec\.size: 0 is too small"):
        check.function(msgspec.convert(cache(size=0), Cache), Review(resource=CACHES))
    review: Review[Cache] = Review(
        resource=CACHES, operation="UPDATE", old_object=msgspec.convert(cache(size=3), Cache)
    )
    check.function(msgspec.convert(cache(size=1), Cache), review)
    assert review.warnings == ["2 fewer forget what they hold"]
    with pytest.raises(LookupError, match=r"reads=\[\.\.\.\]"):
        review.lister(PODS)
