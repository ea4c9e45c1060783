"""Who may call a simulated node."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.bitcoin.rotation import auth_line
from ctrlkit.bitcoin.rpc import Credentials
from ctrlkit.fakes.bitcoind.access import Access
from ctrlkit.fakes.bitcoind.cookie import COOKIE_USER, read_cookie, write_cookie

_USERS = st.text(st.characters(codec="ascii", exclude_characters=":$#", categories=["L", "N", "P"]), min_size=1)


@given(_USERS, st.text(min_size=1), st.text(min_size=1))
def test_for_any_credentials_the_line_that_the_controller_writes_lets_them_in_and_no_others(
    user: str, password: str, other: str
) -> None:
    """Of two lines each is good, as in the middle of a rotation."""
    line = auth_line(Credentials(user=user, password=password), salt="5a17")
    access = Access([auth_line(Credentials(user="another", password="x"), salt="1"), line], [("pair", "word")])
    assert access.admits(user, password)
    assert access.admits("another", "x")
    assert access.admits("pair", "word")
    assert access.admits(user, other) is (other == password)
    assert access.admits_header(Credentials(user=user, password=password).authorization())


@given(st.none() | st.text() | st.binary().map(lambda raw: "Basic " + b64encode(raw).decode()))
def test_for_any_header_that_is_none_nobody_is_let_in(header: str | None) -> None:
    """Whatever it holds, it raises nothing."""
    assert not Access([], [("a-long-user", "a-long-password")]).admits_header(header)


def test_a_cookie_is_new_each_time_and_read_as_it_was_written(tmp_path: Path) -> None:
    """One that is not there, or is none, is no cookie."""
    assert read_cookie(tmp_path) is None
    first = write_cookie(tmp_path)
    assert read_cookie(tmp_path) == first
    assert first[0] == COOKIE_USER
    assert write_cookie(tmp_path) != first
    (tmp_path / ".cookie").write_bytes(b"\xff")
    assert read_cookie(tmp_path) is None
