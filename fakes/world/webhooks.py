"""
Webhooks of a World: plain Python functions that the server calls, without sockets, in virtual time.

    def check(request):
        return deny("too large") if request["object"]["spec"]["replicas"] > 5 else None

    world.webhooks.validating("size.demo.example", check, resources=["deployments"])

A configuration that a test seeds, such as that of the program under test, gets its functions by the name of the webhook
or by the Service that it names.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, NamedTuple

import msgspec

from ctrlkit.errors import AlreadyExists, NotFound
from ctrlkit.fakes.durations import parse_duration
from ctrlkit.fakes.tracker import Tracker
from ctrlkit.fakes.tracker.exchanges import TOO_LATE, Question, Reply
from ctrlkit.fakes.tracker.plugins.replies import address_of, query_of
from ctrlkit.fakes.world.running import RunningPart
from ctrlkit.model import Action, PatchType, Verb, to_plain
from ctrlkit.model.kinds import (
    CUSTOM_RESOURCE_DEFINITIONS,
    MUTATING_WEBHOOK_CONFIGURATIONS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
)
from ctrlkit.names import LABEL_MAX, NO_NAME
from ctrlkit.webhooks import Answer, ServiceAddress, Webhooks
from ctrlkit.webhooks.configurations import kind_of

_REFUSED: Final = Reply(failure="dial tcp 10.0.0.1:443: connect: connection refused")

Handler = Callable[[dict[str, Any]], object | Awaitable[object]]
"""
Takes the `request` of a review, and may be a coroutine function.

For admission it returns None to allow the request, a response (see `allow` and `deny`), or a whole AdmissionReview. For
conversion it returns the converted objects in order, or a whole response.
"""


def allow(patch: Sequence[Mapping[str, Any]] = (), *, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """
    Return the response of a webhook that allows a request; `patch` are operations of a JSON patch.

    >>> allow(warnings=["old field"])
    {'allowed': True, 'warnings': ['old field']}
    """
    response: dict[str, Any] = {"allowed": True}
    if patch:
        text = base64.b64encode(msgspec.json.encode([dict(one) for one in patch])).decode()
        response |= {"patchType": "JSONPatch", "patch": text}
    return response | ({"warnings": list(warnings)} if warnings else {})


def deny(message: str, *, code: int = 403, reason: str = "Forbidden") -> dict[str, Any]:
    """
    Return the response of a webhook that refuses a request.

    >>> deny("too large")["status"]
    {'message': 'too large', 'code': 403, 'reason': 'Forbidden'}
    """
    return {"allowed": False, "status": {"message": message, "code": code, "reason": reason}}


class Call(NamedTuple):
    """A call of a webhook: its name, and the `request` of the review that it got."""

    name: str
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Trouble:
    where: str
    delay_s: float = 0.0
    reply: Reply | None = None


class _Program(NamedTuple):
    """The webhooks of a program, and what runs it."""

    webhooks: Webhooks
    part: RunningPart


class WorldWebhooks:
    """
    The webhooks of a World.

    Those of programs under test, which `manage` runs, answer as long as one of their replicas runs.

    Shape   `where` is the name of a webhook, the Service that its configuration names (`namespace/name`, or
            `namespace/name:port/path`), or its URL. What nothing answers for cannot be reached, as in a cluster.
    Errors  What a function raises comes out of the call that led to it, as a mistake of the test's.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._handlers: dict[str, Handler] = {}
        self._programs: dict[ServiceAddress, list[_Program]] = {}
        self._troubles: list[_Trouble] = []
        self.calls: list[Call] = []
        """The calls so far, oldest first."""
        self.annotations: list[tuple[Action, Mapping[str, str]]] = []
        """The requests of which webhooks or policies said something for an audit, and what they said."""

    def answer(self, where: str, handler: Handler) -> None:
        """Let a function answer for the webhooks at a place."""
        self._handlers[where] = handler

    def install(self, webhooks: Webhooks, *, name: str, namespace: str, part: RunningPart) -> None:
        """
        Let the webhooks of a program answer while it runs, and tell the server of them, in configurations of a name.

        Several programs may have the same webhooks, as replicas do. They are behind a Service of that name.
        """
        service = self._service_for(webhooks, name, namespace)
        self._programs[service].append(_Program(webhooks, part))
        for configuration in webhooks.configurations(service, name=service.name):
            with suppress(AlreadyExists):
                self._tracker.create(kind_of(configuration), configuration)
        self.convert_definitions()

    def _service_for(self, webhooks: Webhooks, name: str, namespace: str) -> ServiceAddress:
        """Return the Service of the replicas of a program, or a new one."""
        for number in count(1):
            service = ServiceAddress(namespace=namespace, name=name if number == 1 else f"{name}-{number}")
            programs = self._programs.setdefault(service, [])
            if not programs or [repr(each) for each in programs[0].webhooks] == [repr(each) for each in webhooks]:
                return service
        raise AssertionError

    def convert_definitions(self) -> None:
        """Tell the definitions that there are of the programs that convert their kinds."""
        for service, programs in self._programs.items():
            webhooks = programs[0].webhooks
            for name in webhooks.converted:
                patch = Action(
                    verb=Verb.PATCH,
                    resource=CUSTOM_RESOURCE_DEFINITIONS,
                    name=name,
                    body=to_plain({"spec": {"conversion": webhooks.conversion(service)}}),
                    patch_type=PatchType.MERGE,
                )
                with suppress(NotFound):
                    self._tracker.call_own(patch)

    def validating(
        self,
        name: str,
        handler: Handler,
        *,
        resources: Sequence[str] = ("*",),
        operations: Sequence[str] = ("CREATE", "UPDATE"),
        **more: Any,
    ) -> None:
        """
        Add a validating webhook, in a configuration of its own with its name.

        `more` are other fields of the webhook, such as `failurePolicy="Ignore"` or `rules`.
        """
        hook = _hook(name, resources, operations, more)
        body = {"metadata": {"name": name}, "webhooks": [hook]}
        self._handlers[name] = handler
        self._tracker.create(VALIDATING_WEBHOOK_CONFIGURATIONS, body)

    def mutating(
        self,
        name: str,
        handler: Handler,
        *,
        resources: Sequence[str] = ("*",),
        operations: Sequence[str] = ("CREATE", "UPDATE"),
        **more: Any,
    ) -> None:
        """Add a mutating webhook, as `validating` does."""
        hook = _hook(name, resources, operations, more)
        body = {"metadata": {"name": name}, "webhooks": [hook]}
        self._handlers[name] = handler
        self._tracker.create(MUTATING_WEBHOOK_CONFIGURATIONS, body)

    # ---- faults ------------------------------------------------------------------------------------------------------

    @contextmanager
    def unreachable(self, where: str) -> Iterator[None]:
        """Let nothing listen at a place in this block."""
        with self._in_trouble(_Trouble(where, reply=_REFUSED)):
            yield

    @contextmanager
    def slow(self, where: str, delay: float | str) -> Iterator[None]:
        """Let webhooks answer after a delay of virtual time in this block."""
        with self._in_trouble(_Trouble(where, delay_s=parse_duration(delay))):
            yield

    @contextmanager
    def answering(self, where: str, body: bytes = b"", *, status: int = 200) -> Iterator[None]:
        """Let webhooks answer with this body and HTTP status in this block, whatever they are asked."""
        with self._in_trouble(_Trouble(where, reply=Reply(status, body))):
            yield

    @contextmanager
    def _in_trouble(self, trouble: _Trouble) -> Iterator[None]:
        self._troubles.append(trouble)
        try:
            yield
        finally:
            self._troubles.remove(trouble)

    # ---- calls -------------------------------------------------------------------------------------------------------

    async def ask(self, question: Question, body: bytes) -> Reply:
        """See Webhooks.ask."""
        trouble = self._trouble_of(question)
        if trouble.delay_s:
            await asyncio.sleep(trouble.delay_s)
        if trouble.reply is not None:
            return trouble.reply
        if (programs := self._programs_of(question)) is not None:
            return await self._answered(programs, question, body)
        answer, request = self._called(question, body)
        if inspect.isawaitable(answer):
            answer = await answer
        return answer if isinstance(answer, Reply) else _reply(question, request, answer)

    def ask_now(self, question: Question, body: bytes) -> Reply:
        """See Webhooks.ask_now."""
        trouble = self._trouble_of(question)
        if trouble.delay_s >= question.timeout_s:
            return TOO_LATE
        if trouble.reply is not None:
            return trouble.reply
        if (programs := self._programs_of(question)) is not None:
            return self._answered_now(programs, question, body)
        answer, request = self._called(question, body)
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise RuntimeError(f"call the webhook {question.name}: it is a coroutine function, so use world.client")
        return answer if isinstance(answer, Reply) else _reply(question, request, answer)

    def audit(self, action: Action, annotations: Mapping[str, str]) -> None:
        """See Webhooks.audit."""
        self.annotations.append((action, dict(annotations)))

    def _called(self, question: Question, body: bytes) -> tuple[Any, dict[str, Any]]:
        """Call the function for a question; return its answer, a Reply where there is none, and the request."""
        request: dict[str, Any] = msgspec.json.decode(body)["request"]
        handler = next((self._handlers[where] for where in _places(question) if where in self._handlers), None)
        if handler is None:
            return _nobody(question), request
        self.calls.append(Call(question.name, request))
        return handler(msgspec.json.decode(msgspec.json.encode(request))), request

    # ---- programs ----------------------------------------------------------------------------------------------------

    def _programs_of(self, question: Question) -> list[_Program] | None:
        """Return those programs that a question is for which run; None if it is for none."""
        service = question.client.get("service") or {}
        address = ServiceAddress(namespace=service.get("namespace", ""), name=service.get("name", ""))
        if address not in self._programs or any(where in self._handlers for where in _places(question)):
            return None
        return [program for program in self._programs[address] if not program.part.task.done()]

    async def _answered(self, programs: list[_Program], question: Question, body: bytes) -> Reply:
        if not programs:
            return _REFUSED
        self._note(question, body)
        answering = programs[0].webhooks.answer(_path_of(question), body)
        context = programs[0].part.context.copy()
        answer = await asyncio.get_running_loop().create_task(answering, context=context)
        return Reply(answer.status, answer.body)

    def _answered_now(self, programs: list[_Program], question: Question, body: bytes) -> Reply:
        if not programs:
            return _REFUSED
        self._note(question, body)
        answering = programs[0].webhooks.answer(_path_of(question), body)
        try:
            programs[0].part.context.copy().run(answering.send, None)
        except StopIteration as end:
            answer: Answer = end.value
            return Reply(answer.status, answer.body)
        answering.close()
        raise RuntimeError(f"call the webhook {question.name}: it waits for something, so use world.client")

    def _note(self, question: Question, body: bytes) -> None:
        self.calls.append(Call(question.name, msgspec.json.decode(body)["request"]))

    def _trouble_of(self, question: Question) -> _Trouble:
        places = tuple(_places(question))
        return next((one for one in reversed(self._troubles) if one.where in places), _Trouble(""))


def _path_of(question: Question) -> str:
    service = question.client["service"]
    return f"{service.get('path') or '/'}{query_of(question)}"


def service_name(program: str) -> str:
    """
    Return the name of the Service of a program's webhooks.

    >>> service_name("my_operator.cache_controller")
    'cache-controller'
    """
    return re.sub("[^a-z0-9]+", "-", program.rpartition(".")[2].lower())[-LABEL_MAX:].strip("-") or NO_NAME


def _hook(name: str, resources: Sequence[str], operations: Sequence[str], more: Mapping[str, Any]) -> dict[str, Any]:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": list(operations), "resources": list(resources)}
    return {
        "name": name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": f"https://webhooks.test/{name}"},
        "rules": [rule],
        **to_plain(more),
    }


def _places(question: Question) -> Iterator[str]:
    """Yield the places by which a webhook can be named, the closest first."""
    yield question.name
    service = question.client.get("service")
    if service is None:
        yield address_of(question.client)
        return
    name = f"{service['namespace']}/{service['name']}"
    port = f"{name}:{service.get('port') or 443}"
    path = str(service.get("path") or "").rstrip("/")
    yield from (f"{port}{path}", f"{name}{path}", port, name)


def _nobody(question: Question) -> Reply:
    service = question.client.get("service")
    if service is not None:
        return Reply(failure=f'service "{service["name"]}" not found')
    host = address_of(question.client).removeprefix("https://").partition("/")[0]
    return Reply(failure=f"dial tcp: lookup {host}: no such host")


def _reply(question: Question, request: Mapping[str, Any], answer: object) -> Reply:
    """Return what a function answered as what would come over the wire."""
    plain = to_plain(answer)
    if isinstance(plain, dict) and "response" in plain:
        return Reply(body=msgspec.json.encode(plain))
    sent: dict[str, Any] = msgspec.json.decode(question.review)
    if question.kind == "converting":
        response = plain if isinstance(plain, dict) else {"result": {"status": "Success"}, "convertedObjects": plain}
    else:
        response = {"allowed": True} | (plain if isinstance(plain, dict) else {})
    head = {name: sent[name] for name in ("kind", "apiVersion")}
    return Reply(body=msgspec.json.encode({**head, "response": {"uid": request["uid"], **response}}))
