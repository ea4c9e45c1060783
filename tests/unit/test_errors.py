"""The error tree."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import ctrlkit
from ctrlkit import errors
from ctrlkit.errors import (
    CAUSES_SHOWN,
    ApiError,
    Conflict,
    CtrlkitError,
    Expired,
    Gone,
    InternalError,
    Invalid,
    NotFound,
    TooManyRequests,
)

BESIDE = ("ctrlkit.fakes", "ctrlkit.bitcoin")
"""Packages that stand on the framework, whose errors are their own."""


def family(kind: type[CtrlkitError]) -> Iterator[type[CtrlkitError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_the_tree_has_every_error_and_no_other() -> None:
    """Whoever catches one finds its place there."""
    for module in pkgutil.walk_packages(ctrlkit.__path__, "ctrlkit."):
        if not module.name.endswith("__main__") and not module.name.startswith(BESIDE):
            importlib.import_module(module.name)
    tree = str(errors.__doc__).partition("\n\n    ")[2].partition("\n\nA message")[0]
    shown = re.findall(r"\b[A-Z]\w+", re.sub(r"  +(?:\w+: )?[a-z].*", "", tree))
    everywhere = [kind for kind in family(CtrlkitError) if kind.__module__.startswith("ctrlkit.")]
    ours = {kind.__name__ for kind in everywhere if not kind.__module__.startswith(BESIDE)}
    assert sorted(shown) == sorted(ours)


@pytest.mark.parametrize("kind", errors._CLASSES)
def test_every_reason_makes_its_class_and_reads_back(kind: type[ApiError]) -> None:
    """A Status and its error are the same fact."""
    error = ApiError.of_status({"reason": kind.reason, "code": kind.code, "message": "m", "details": {"name": "a"}})
    assert type(error) is kind
    assert type(ApiError.of_status(error.to_status())) is kind
    assert error.to_status()["details"] == {"name": "a"}


@pytest.mark.parametrize(
    ("code", "kind"), [(404, NotFound), (410, Gone), (409, Conflict), (422, Invalid), (418, ApiError)]
)
def test_without_a_known_reason_the_code_decides(code: int, kind: type[ApiError]) -> None:
    """Proxies answer without a Status."""
    error = ApiError.of_status({"code": code, "reason": "Strange", "message": "m"})
    assert type(error) is kind
    assert error.code == code
    assert error.reason == "Strange"


def test_expired_is_a_kind_of_gone() -> None:
    """Both mean: list again."""
    assert issubclass(Expired, Gone)


def test_retry_after_travels_both_ways() -> None:
    """In seconds."""
    error = ApiError.of_status({"code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 7}})
    assert isinstance(error, TooManyRequests)
    assert error.retry_after_s == 7
    assert error.to_status()["details"]["retryAfterSeconds"] == 7


def test_a_message_says_what_was_tried_the_fact_the_next_step_and_the_evidence() -> None:
    """And the server's text is cut."""
    error = Conflict("x" * 5000, attempted="update pods demo/a", evidence="PUT /api/v1/...")
    text = str(error)
    assert text.startswith("update pods demo/a: xxx")
    assert text.endswith("; re-read the cache and reconcile again [PUT /api/v1/... -> 409 Conflict]")
    assert len(text) < 1200
    assert str(InternalError("boom")) == "boom; see the server's log [500 InternalError]"


def test_a_status_that_says_how_to_go_on_with_a_list_keeps_it() -> None:
    status = Expired("too old", continue_token="next").to_status()
    assert status["metadata"] == {"continue": "next"}
    error = ApiError.of_status(status)
    assert isinstance(error, Expired)
    assert error.continue_token == "next"
    assert ApiError.of_status({"code": 404}).to_status()["metadata"] == {}


def test_what_was_not_found_decides_what_to_look_at() -> None:
    """A missing definition is no advice for an object that is not there."""
    kind = ApiError.of_status({"code": 404, "message": "the server could not find the requested resource"})
    assert "; see whether the server serves this kind and version; a custom one needs its definition" in str(kind)
    pod = {"code": 404, "reason": "NotFound", "message": 'pods "a" not found', "details": {"name": "a", "kind": "pods"}}
    assert str(ApiError.of_status(pod)) == 'pods "a" not found; check its name and namespace [404 NotFound]'


def test_a_conflict_of_an_apply_is_not_cured_by_reading_again() -> None:
    """Another manager owns the fields, and still will."""
    causes = [{"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".data.k"}]
    status = {"code": 409, "reason": "Conflict", "message": "Apply failed", "details": {"causes": causes}}
    error = ApiError.of_status(status)
    assert isinstance(error, Conflict)
    assert (error.over_fields, Conflict("it was modified").over_fields) == (True, False)
    assert str(error) == "Apply failed; leave these fields out, or take them with OnConflict.FORCE [409 Conflict]"


def refusal(count: int, value: str) -> ApiError:
    """As a server refuses an object that is wrong in many places, each of which it repeats."""
    causes = [
        {"field": f"spec.items[{n}]", "message": f"Invalid value: {value}: must be a number"} for n in range(count)
    ]
    said = ", ".join(f"{cause['field']}: {cause['message']}" for cause in causes)
    message = f'Web "shop" is invalid: [{said}]' if count > 1 else f'Web "shop" is invalid: {said}'
    return ApiError.of_status({"code": 422, "reason": "Invalid", "message": message, "details": {"causes": causes}})


def test_a_refusal_of_usual_length_is_shown_as_it_came() -> None:
    """Several causes are longer than a line."""
    error = refusal(8, '"some text"')
    assert str(error) == f"{error.message}; correct the named fields [422 Invalid]"


@pytest.mark.parametrize("count", [1, 2, 40])
def test_of_a_long_refusal_each_cause_is_shown_with_its_field_and_its_reason(count: int) -> None:
    """What is cut out is in the middle, where values are; those that are too many are counted."""
    text = str(refusal(count, "x" * 5000))
    shown = min(count, CAUSES_SHOWN)
    assert text.startswith('Web "shop" is invalid: ')
    assert all(f"spec.items[{n}]: Invalid value: xx" in text for n in range(shown))
    assert text.count("xx: must be a number") == shown
    assert text.endswith(
        f"{f', and {count - shown} more' if count > shown else ''}{']' if count > 1 else ''}; "
        "correct the named fields [422 Invalid]"
    )
    assert len(text) < 4096


def test_a_long_text_without_causes_keeps_its_end() -> None:
    """Where a webhook says at last why."""
    error = ApiError.of_status({"code": 403, "reason": "Forbidden", "message": f"denied: {'x' * 5000} is too large"})
    assert str(error).startswith("denied: xx")
    assert "xx is too large; see which rule" in str(error)
