"""Names of images are read as registries and container runtimes read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.fakes.cluster.node.images.references import InvalidImageName, parse_image, with_default_tag

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("web", "docker.io/library/web:latest"),
        ("web:2", "docker.io/library/web:2"),
        ("index.docker.io/web", "docker.io/library/web:latest"),
        ("docker.io/a/web", "docker.io/a/web:latest"),
        ("localhost/web", "localhost/web:latest"),
        ("shop/web", "docker.io/shop/web:latest"),
        ("Shop/web", "Shop/web:latest"),
        ("host:5000/web:2", "host:5000/web:2"),
        ("[::1]:5000/web", "[::1]:5000/web:latest"),
        (f"web@{DIGEST}", f"docker.io/library/web@{DIGEST}"),
        (f"web:2@{DIGEST}", f"docker.io/library/web:2@{DIGEST}"),
    ],
)
def test_a_name_has_a_whole_form(text: str, whole: str) -> None:
    """With a registry, and with the tag that counts."""
    assert str(parse_image(text)) == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "invalid reference format"),
        ("Web", "invalid reference format: repository name (library/Web) must be lowercase"),
        ("web:", "invalid reference format"),
        ("web:2:3", "invalid reference format"),
        ("web 2", "invalid reference format"),
        ("web\n", "invalid reference format"),
        ("-web", "invalid reference format"),
        ("wéb", "invalid reference format"),
        ("web:" + "t" * 129, "invalid reference format"),
        ("h.io/" + "w" * 256, "repository name must not be more than 255 characters"),
        ("0" * 64, f"invalid repository name ({'0' * 64}), cannot specify 64-byte hexadecimal strings"),
        ("web@sha256:" + "a" * 63, "invalid checksum digest length"),
        ("web@sha256:" + "A" * 64, "invalid checksum digest format"),
        ("web@md5:" + "a" * 32, "unsupported digest algorithm"),
        ("web@MD5:" + "a" * 32, "invalid reference format: repository name (library/web@MD5) must be lowercase"),
    ],
)
def test_what_is_no_name_is_refused_with_the_reason(text: str, said: str) -> None:
    """In the words that a pod's status shows."""
    with pytest.raises(InvalidImageName) as refused:
        parse_image(text)
    assert str(refused.value) == said


@given(st.text(alphabet="aZ0._-/:@ é\n", max_size=20))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    """And the whole form of a name is a name of the same image."""
    try:
        reference = parse_image(text)
    except InvalidImageName:
        return
    assert str(parse_image(str(reference))) == str(reference)


def test_an_image_is_pulled_with_a_tag() -> None:
    """Unless its name says a digest."""
    assert with_default_tag("shop/web") == "shop/web:latest"
    assert with_default_tag(f"web@{DIGEST}") == f"web@{DIGEST}"
    with pytest.raises(InvalidImageName, match='couldn\'t parse image name "Web": invalid reference format: '):
        with_default_tag("Web")
