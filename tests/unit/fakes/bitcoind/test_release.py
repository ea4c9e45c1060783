"""Releases of Bitcoin Core: their numbers, their names, and what the names of images say of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.bitcoind.release import DEFAULT_RELEASE, FORMATS, Release

_NEW = st.tuples(st.integers(22, 99), st.integers(0, 9), st.integers(0, 9))
_OLD = st.tuples(st.just(0), st.integers(8, 21), st.integers(0, 9))


@given(_NEW | _OLD)
def test_for_any_version_its_text_is_read_again(parts: tuple[int, int, int]) -> None:
    """As people write it, as nodes do, and in the tag of an image."""
    text = ".".join(map(str, parts))
    release = Release.of(text)
    assert release.text == text
    assert Release.of(release.text) == Release.of(f"v{text}") == Release.of_image(f"h:5000/b/bitcoin:{text}") == release
    assert release.agent == f"/Satoshi:{text}/"


@given(st.lists(_NEW | _OLD, min_size=2, max_size=5))
def test_for_any_versions_their_order_is_that_in_which_they_came(versions: list[tuple[int, int, int]]) -> None:
    """0.21 came before 22, by their numbers too."""
    texts = [".".join(map(str, parts)) for parts in versions]
    came = [parts[1:] if parts[0] == 0 else parts for parts in versions]
    as_numbers = [(*parts, 0)[:3] for parts in came]
    assert [Release.of(text).version for text in texts] == [a * 10_000 + b * 100 + c for a, b, c in as_numbers]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("bitcoin/bitcoin:29.1", 290100),
        ("docker.io/bitcoin/bitcoin:29.1-alpine", 290100),
        (f"bitcoin/bitcoin:28@sha256:{'0' * 64}", 280000),
        ("lncm/bitcoind:v0.21.1", 210100),
        ("registry:5000/bitcoin", None),
        ("bitcoin", None),
        ("bitcoin:latest", None),
        ("bitcoin:master", None),
        ("bitcoin:7", None),
    ],
)
def test_the_tag_of_an_image_may_name_a_release(image: str, version: int | None) -> None:
    """Whatever stands before it; Bitcoin Core had no versions from 1 to 21."""
    found = Release.of_image(image)
    assert (found.version if found else None) == version


def test_a_tag_that_names_none_stands_for_the_newest() -> None:
    """A simulated node is of today unless somebody says otherwise."""
    assert {Release.of_tag(tag) for tag in ("", "latest", "1.0.16", "dev")} == {DEFAULT_RELEASE}


@given(_NEW | _OLD, _NEW | _OLD)
def test_for_any_two_releases_a_chain_is_read_unless_a_format_lies_between(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    """Later releases read what earlier ones wrote, always; back it goes within one format."""
    first, second = sorted(Release.of(".".join(map(str, parts))) for parts in (one, other))
    assert second.reads(first)
    assert first.reads(second) is not any(first < format_ <= second for format_ in FORMATS)
