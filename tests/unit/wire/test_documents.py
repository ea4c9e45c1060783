"""What is told of a document that cannot be read as a whole."""

from __future__ import annotations

import pytest

from ctrlkit.wire.documents import identifying


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b'{"metadata": %s}' % (b"[" * 11 + b"]" * 11), b'{"metadata": %s}' % (b"[" * 11 + b"]" * 11)),
        (b'{"metadata": %s}' % (b"[" * 12 + b"]" * 12), b'{"metadata": %s}' % (b"[" * 11 + b"null" + b"]" * 11)),
        (b'{"object": {"metadata": {"a": [{}]}, "b": []}}', b'{"object": {"metadata": {"a": [{}]}, "b": null}}'),
        (b'{"details": {"a": {}}, "b": {"metadata": {}}}', b'{"details": {"a": {}}, "b": null}'),
        (b'{"a": "}", "b": ["\\"]"], "c": 1}', b'{"a": "}", "b": null, "c": 1}'),
        (b'["metadata", {"a": 1}]', b'["metadata", null]'),
        (b'{"a": [}', b""),
        (b'{"a": 1}}', b""),
    ],
)
def test_what_identifies_a_document_is_kept(text: bytes, kept: bytes) -> None:
    """Twelve levels of it; of what else there is, where it stood."""
    assert identifying(text) == kept
