"""Text that no formatter shows."""

from __future__ import annotations

import io
from traceback import TracebackException

import rich.console
import rich.traceback
from multidict import CIMultiDict

from ctrlkit.wire.secret import Secret


def test_a_secret_is_not_shown_by_what_holds_it() -> None:
    """Lists, dicts and the headers of a request use the repr."""
    secret = Secret("s3cret")
    assert "s3cret" not in f"{[secret]} { ({'a': secret}) } {CIMultiDict(Authorization=secret)!r} {secret!r}"


def test_a_secret_is_text() -> None:
    """For whoever sends it."""
    secret = Secret("s3cret")
    assert (f"Bearer {secret}", secret.encode(), str(secret), secret == "s3cret", len(secret)) == (
        "Bearer s3cret",
        b"s3cret",
        "s3cret",
        True,
        6,
    )
    assert secret[1:3] == "3c"
    assert isinstance(secret[1:3], Secret)


def test_tracebacks_with_locals_show_nothing_of_it() -> None:
    """Those of the standard library, and those of rich, which cuts long values before it shows them."""
    secret = Secret("s3cret" * 100)
    headers = CIMultiDict(Authorization=Secret(f"Bearer {secret}"))
    out = io.StringIO()
    try:
        raise ValueError(len(headers))
    except ValueError as error:
        plain = "".join(TracebackException.from_exception(error, capture_locals=True).format())
        trace = rich.traceback.Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=80
        )
        rich.console.Console(file=out, width=200).print(trace)
    for shown in (plain, out.getvalue()):
        assert "headers" in shown
        assert "s3crets3cret" not in shown
