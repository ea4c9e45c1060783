"""What an exception means to whoever survives it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from structlog.testing import capture_logs
from yarl import URL

from ctrlkit import failures
from ctrlkit.errors import Forbidden, Unreachable
from ctrlkit.failures import (
    CLIENT_ERRORS,
    QUIET_MAX_S,
    QUIET_S,
    UNFORESEEN,
    FailureLog,
    Repeats,
    describe,
    is_foreseen,
)
from ctrlkit.telemetry import logger

NOT_INSTALLED = {"httpx.HTTPError"}


def answered(status: int) -> aiohttp.ClientResponseError:
    """What aiohttp raises for a status, with all that it knows of the request."""
    headers = CIMultiDictProxy(CIMultiDict({"Authorization": "Bearer a-secret"}))
    url = URL("https://me:a-secret@registry.example/v2")
    return aiohttp.ClientResponseError(aiohttp.RequestInfo(url, "GET", headers, url), (), status=status, message="no")


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("no"),
        OSError(28, "No space left on device"),
        FileNotFoundError(2, "No such file or directory"),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        aiohttp.ServerDisconnectedError(),
        answered(503),
        ExceptionGroup("both", [Unreachable("dial"), TimeoutError()]),
    ],
)
def test_what_happens_to_programs_that_are_right_is_foreseen(error: Exception) -> None:
    """The server says no, the network breaks, a file is not there."""
    assert is_foreseen(error)


@pytest.mark.parametrize(
    "error",
    [KeyError("spec"), AttributeError("x"), RuntimeError("x"), ExceptionGroup("both", [TimeoutError(), KeyError("a")])],
)
def test_anything_else_is_not(error: Exception) -> None:
    """One of a group is enough."""
    assert not is_foreseen(error)


@pytest.mark.parametrize("name", sorted(CLIENT_ERRORS))
def test_errors_of_http_clients_are_foreseen_by_the_name_of_their_base_class(name: str) -> None:
    """The names are those that the libraries have today; classes below them count too."""
    module, _, attribute = name.rpartition(".")
    if name in NOT_INSTALLED:
        base: Any = type(attribute, (Exception,), {"__module__": module})
    else:
        base = getattr(importlib.import_module(module), attribute)
    assert f"{base.__module__}.{base.__qualname__}" == name
    assert is_foreseen(type("Special", (base,), {"__init__": Exception.__init__})("no"))


def test_one_line_tells_all_errors_of_a_group() -> None:
    """Own errors tell themselves, others are shown with their class."""
    assert describe(ExceptionGroup("w", [Unreachable("dial a"), KeyError("spec")])) == "dial a; KeyError('spec')"
    assert describe(ConnectionResetError(104, "reset")) == "ConnectionResetError: [Errno 104] reset"
    assert describe(TimeoutError()) == "TimeoutError"


def test_no_line_holds_what_a_client_had_sent() -> None:
    """Neither its headers nor the user that its URL names, whatever the library's own texts have."""
    assert "a-secret" in repr(answered(401))
    assert describe(answered(401)) == ("ClientResponseError: 401, message='no', url='https://***@registry.example/v2'")


def fails(number: int) -> None:
    """Raises, each time in the same line."""
    raise KeyError(number)


def fails_elsewhere() -> None:
    """Raises the same, in another line."""
    raise KeyError(0)


def lines_for(*calls: tuple[str, Callable[[], None]]) -> list[tuple[str, bool, int]]:
    """What is logged of calls about something: about what, whether with a traceback, and how often it was repeated."""
    told = FailureLog(logger("test"))
    with capture_logs() as lines:
        for about, call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - the test is about all of them
                told.tell("it_failed", error, about=about, where="the test", key=about)
            else:
                told.forget(about)
    return [(line["key"], "exc_info" in line, line.get("repeated", 0)) for line in lines]


def test_a_traceback_is_told_once_and_again_when_it_changes() -> None:
    """Whatever the error's text, and whatever it is about; after a success it is news."""
    again, other = (lambda: fails(1)), (lambda: fails(2))
    assert lines_for(("a", again), ("a", again), ("b", again), ("a", again)) == [
        ("a", True, 0),
        ("a", False, 1),
        ("b", False, 0),
        ("a", False, 2),
    ]
    course = [fails_elsewhere, fails_elsewhere, lambda: fails(3), fails_elsewhere]
    assert [line[1:] for line in lines_for(*(("a", call) for call in course))] == [
        (True, 0),
        (False, 1),
        (True, 0),
        (False, 2),
    ]
    assert [line[1:] for line in lines_for(("a", again), ("a", lambda: None), ("a", again))] == [(True, 0), (True, 0)]
    assert [line[1] for line in lines_for(("a", again), ("a", other))] == [True, True]


def test_the_same_mistake_about_many_things_has_one_traceback_and_lines_that_say_where() -> None:
    """Once that about which the traceback was written went well, the next one has it again."""
    told = FailureLog(logger("test"))
    with capture_logs() as lines:
        for about in (*range(60), 0, 1, 60, 61):
            try:
                fails(about)
            except KeyError as error:
                told.tell("it_failed", error, about=about)
            if about == 0 and len(lines) > 1:
                told.forget(0)
    assert [at for at, line in enumerate(lines) if "exc_info" in line] == [0, 62]
    line = fails.__code__.co_firstlineno + 2
    assert {line.get("where") for line in (*lines[1:61], lines[63])} == {f"test_failures.py:{line} in fails"}


def test_a_cause_is_part_of_what_must_be_the_same() -> None:
    """The same line fails for another reason."""

    def wrapped(call: Callable[[], None]) -> None:
        try:
            call()
        except KeyError as error:
            raise ValueError("wrapped") from error

    calls = [fails_elsewhere, fails_elsewhere, lambda: fails(1)]
    told = lines_for(*(("a", lambda call=call: wrapped(call)) for call in calls))
    assert [line[1:] for line in told] == [(True, 0), (False, 1), (True, 0)]


def test_a_foreseen_error_is_one_warning_and_not_told_to_who_looks_for_mistakes() -> None:
    """An unforeseen one is, each time."""
    heard: list[tuple[BaseException, str]] = []
    token = UNFORESEEN.set(lambda error, where: heard.append((error, where)))
    told, mistake = FailureLog(logger("test")), KeyError("spec")
    try:
        with capture_logs() as lines:
            for error in (TimeoutError("5 s"), mistake, mistake):
                told.tell("it_failed", error, about="a", where="the test")
    finally:
        UNFORESEEN.reset(token)
    assert [(line["log_level"], line["error"]) for line in lines] == [
        ("warning", "TimeoutError: 5 s"),
        ("error", "KeyError('spec')"),
        ("debug", "KeyError('spec')"),
    ]
    assert heard == [(mistake, "the test")] * 2


async def test_of_an_error_that_goes_on_a_line_is_written_now_and_then() -> None:
    """At growing intervals, ten minutes at most, with how often it came; all others are there for who looks closer."""
    told, began = FailureLog(logger("test")), asyncio.get_running_loop().time()
    written: list[tuple[float, int]] = []
    for second in range(3600):
        with capture_logs() as lines:
            told.tell("it_failed", Unreachable(f"no route, try {second}"), about="a")
        (line,) = lines
        if line["log_level"] == "warning":
            written.append((asyncio.get_running_loop().time() - began, line.get("repeated", 0)))
        await asyncio.sleep(1)
    assert written == [(at, at) for at in (0, 30, 90, 210, 450, 930, 1530, 2130, 2730, 3330)]


async def test_a_line_about_something_else_says_how_many_were_left_out() -> None:
    """And two errors that take turns are both told now and then, not each time."""
    told = FailureLog(logger("test"))
    with capture_logs() as lines:
        for error in (*[Unreachable("no route")] * 8, Forbidden("no"), Unreachable("no route"), Forbidden("no")):
            told.tell("it_failed", error, about="a")
    assert [(line["log_level"], line.get("left_out")) for line in lines if line["log_level"] != "debug"] == [
        ("warning", None),
        ("warning", 7),
    ]


@settings(max_examples=20)
@given(st.lists(st.tuples(st.floats(0, 1500), st.sampled_from("ab")), max_size=60))
def test_for_any_course_of_things_nothing_is_lost_and_nothing_is_silent_for_long(
    course: list[tuple[float, str]],
) -> None:
    """
    What is new is written, and what was not written for ten minutes; the same not twice in half a minute; and the
    counts add up.
    """
    repeats, now, left_out = Repeats(), 0.0, 0
    last: dict[str, float] = {}
    said: dict[str, int] = {}
    for pause_s, what in course:
        now += pause_s
        saying = repeats.say("thing", what, now)
        assert saying.repeated == said.get(what, 0)
        since = now - last.get(what, -QUIET_MAX_S)
        assert saying.is_written or since < QUIET_MAX_S
        assert not saying.is_written or since >= QUIET_S
        said[what] = said.get(what, 0) + 1
        if saying.is_written:
            assert saying.left_out == left_out
            left_out, last[what] = 0, now
        else:
            left_out += 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told longest ago is told with its traceback again."""
    monkeypatch.setattr(failures, "KNOWN_MAX", 1)
    again = lambda: fails(1)  # noqa: E731 - one line, three times
    assert [line[1] for line in lines_for(("a", again), ("b", again), ("a", again))] == [True, False, True]
    monkeypatch.setattr(failures, "WAYS_MAX", 1)
    assert [line[1] for line in lines_for(("a", again), ("b", fails_elsewhere), ("c", again))] == [True, True, True]
