"""
What a request asks of webhooks: verbs are functions that do not wait, and webhooks answer in their own time.

A verb that needs an answer which is not there raises `Unanswered`, before it has stored anything. Whoever performs the
request gets the answers and runs the verb again, with the same time and the same random numbers, so that it comes to
the same questions, and with the answers so far. If what is stored has changed meanwhile, the questions are others and
are asked anew, as a server does when it tries an update again.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, TypeVarTuple

import msgspec

from ctrlkit import clock
from ctrlkit.fakes.tracker.notices import is_noticed, notice, noticed
from ctrlkit.model import Action

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

REQUEST_S: Final = 34.0
"""How long a request may take, its webhooks included, in seconds."""


@dataclass(frozen=True, slots=True)
class Question:
    """
    A call of a webhook.

    Shape   `client` is the clientConfig of the webhook, `name` its name, `configuration` the name of what it stands in.
            `review` is the body without the request's uid, `path` of keys leads to where that belongs. The same
            question is asked once in a request.
    """

    kind: str
    """What the webhook does: "mutating", "validating" or "converting"."""
    configuration: str
    name: str
    client: Mapping[str, Any] = field(compare=False)
    review: bytes
    timeout_s: float = field(compare=False)
    occasion: str = ""
    """Distinguishes questions that are the same and to be asked twice."""

    def body(self, uid: str) -> bytes:
        """Return the body of the request, with its uid."""
        review = msgspec.json.decode(self.review)
        review["request"] = {"uid": uid, **review["request"]}
        return msgspec.json.encode(review)


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What came back from a webhook.

    Shape   `failure` says why nothing did, in the words of a server's HTTP client, without the method and the URL;
            else there are a status and a body.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    failure: str = ""
    is_tried: bool = True
    """Whether there was a call at all; what the configuration says may not allow one."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, and the uid of the request that it is to."""

    uid: str
    reply: Reply


class Webhooks(Protocol):
    """Calls webhooks."""

    async def ask(self, question: Question, body: bytes) -> Reply:
        """Call a webhook; whoever calls this limits the time."""
        ...

    def ask_now(self, question: Question, body: bytes) -> Reply:
        """Call a webhook without waiting. Errors: RuntimeError if it cannot answer at once."""
        ...

    def audit(self, action: Action, annotations: Mapping[str, str]) -> None:
        """Take note of what webhooks and policies said of a request to whoever audits it."""
        ...


class NoWebhooks:
    """Calls nothing, as where no way leads to any webhook."""

    async def ask(self, question: Question, body: bytes) -> Reply:
        """See Webhooks.ask."""
        return self.ask_now(question, body)

    def ask_now(self, _question: Question, _body: bytes) -> Reply:
        """See Webhooks.ask_now."""
        return Reply(failure="dial tcp: connect: connection refused")

    def audit(self, _action: Action, _annotations: Mapping[str, str]) -> None:
        """Do nothing."""


class Unanswered(Exception):
    """The answers to these questions are not there yet."""

    def __init__(self, questions: Sequence[Question]) -> None:
        super().__init__(", ".join(question.name for question in questions))
        self.questions: Sequence[Question] = questions


class Chance(Protocol):
    """A source of random numbers, such as a `random.Random`."""

    def getrandbits(self, k: int, /) -> int:
        """Return an integer of so many bits."""
        ...

    def choices(self, population: Sequence[str], /, *, k: int) -> list[str]:
        """Return as many of the given texts."""
        ...


class Exchange:
    """The questions and answers of one request, and what must be the same each time its verb is run."""

    def __init__(self) -> None:
        self.now: datetime = clock.now()
        self.done: dict[Any, Any] = {}
        """What the request has finished already, if it does several things one after the other."""
        self.annotations: dict[str, str] = {}
        """What webhooks and policies say of the request to whoever audits it."""
        self._began = clock.reader()()
        self._seed = clock.random_source().getrandbits(64)
        self._chance: Chance | None = None  # many requests draw no number
        self._answers: dict[Question, Answered] = {}

    @property
    def chance(self) -> Chance:
        """Random numbers, in each run the same."""
        if self._chance is None:
            self._chance = random.Random(self._seed)
        return self._chance

    def run(self, verb: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """Run a verb; the warnings of a run that stops for an answer are forgotten."""
        self._chance = None
        token = _EXCHANGE.set(self)
        try:
            return verb(*arguments) if not is_noticed() else _noticed(verb, *arguments)
        finally:
            _EXCHANGE.reset(token)

    @property
    def left_s(self) -> float:
        """How long the request may still take, in seconds."""
        return max(0.0, self._began + REQUEST_S - clock.reader()())

    def answer(self, questions: Sequence[Question]) -> list[Answered]:
        """Return the answers. Errors: Unanswered."""
        missing = [question for question in questions if question not in self._answers]
        if missing:
            raise Unanswered(missing)
        return [self._answers[question] for question in questions]

    async def ask(self, questions: Sequence[Question], webhooks: Webhooks) -> None:
        """Ask questions at the same time, and keep the answers."""
        asked = [(question, new_uid()) for question in questions]
        replies = await asyncio.gather(*(self._reply(question, uid, webhooks) for question, uid in asked))
        for (question, uid), reply in zip(asked, replies, strict=True):
            self._answers[question] = Answered(uid, reply)

    async def _reply(self, question: Question, uid: str, webhooks: Webhooks) -> Reply:
        try:
            async with asyncio.timeout(min(question.timeout_s, self.left_s)):
                return await webhooks.ask(question, question.body(uid))
        except TimeoutError:
            return TOO_LATE

    def ask_now(self, questions: Sequence[Question], webhooks: Webhooks) -> None:
        """Ask questions of webhooks that answer at once."""
        for question in questions:
            uid = new_uid()
            self._answers[question] = Answered(uid, webhooks.ask_now(question, question.body(uid)))


def new_uid() -> str:
    """Make up the uid of a request to a webhook."""
    return str(uuid.UUID(int=clock.random_source().getrandbits(128), version=4))


def _noticed(verb: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """Run a verb and give its warnings, unless it stops for an answer."""
    told: list[str] = []
    try:
        with noticed() as told:
            return verb(*arguments)
    except Unanswered:
        told = []
        raise
    finally:
        for text in told:
            notice(text)


TOO_LATE: Final = Reply(failure="context deadline exceeded")
"""The reply of a webhook that did not answer in time."""

_EXCHANGE: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class _Drawn:
    """A random number that was drawn before; no other can be drawn."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        self._value = value

    def getrandbits(self, _bits: int, /) -> int:
        """Return it."""
        return self._value

    def choices(self, _population: Sequence[str], /, *, k: int) -> list[str]:
        """Raise: what was drawn is one number."""
        raise NotImplementedError(f"{k} more random numbers for an object that was promised")


class _Then(Exchange):
    """A request of an earlier time, which drew one random number and asks no webhooks."""

    def __init__(self, now: datetime, drawn: int) -> None:  # nothing is drawn now
        self.now = now
        self._chance = _Drawn(drawn)
        self.done = {}
        self.annotations = {}


def as_of(now: datetime, drawn: int, verb: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
    """Run a verb as at an earlier time, with the random number that was drawn then; nobody hears its warnings."""
    token = _EXCHANGE.set(_Then(now, drawn))
    try:
        if not is_noticed():
            return verb(*arguments)
        with noticed():
            return verb(*arguments)
    finally:
        _EXCHANGE.reset(token)


def current() -> Exchange | None:
    """Return the exchange of the request that is being served; None if no webhook can be asked."""
    return _EXCHANGE.get()


def answers(questions: Sequence[Question]) -> list[Answered]:
    """Return what webhooks answer. Errors: Unanswered."""
    exchange = _EXCHANGE.get()
    if exchange is None:
        raise Unanswered(questions)
    return exchange.answer(questions)


def done() -> dict[Any, Any]:
    """Return what the request that is being served has finished already, to be added to."""
    exchange = _EXCHANGE.get()
    return {} if exchange is None else exchange.done


def annotate(key: str, value: str) -> None:
    """Note what a webhook or a policy says of the request to whoever audits it."""
    exchange = _EXCHANGE.get()
    if exchange is not None:
        exchange.annotations.setdefault(key, value)


def now() -> datetime:
    """Return the time of the request that is being served."""
    exchange = _EXCHANGE.get()
    return clock.now() if exchange is None else exchange.now


def chance() -> Chance:
    """Return the source of random numbers for the request that is being served."""
    exchange = _EXCHANGE.get()
    return clock.random_source() if exchange is None else exchange.chance
