"""What a declaration may say."""

from __future__ import annotations

from dataclasses import fields

from ctrlkit.webhooks.declarations import GivenTerms, Terms


def test_a_type_checker_lets_pass_the_terms_that_there_are() -> None:
    """Each has a type where it is given, and a default where it is not."""
    assert list(GivenTerms.__annotations__) == [field.name for field in fields(Terms)]
