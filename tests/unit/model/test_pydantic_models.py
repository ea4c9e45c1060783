"""Pydantic models as the types of kinds: how they are read, written and looked into."""

from __future__ import annotations

import msgspec
import pydantic
import pytest

from ctrlkit.cache.store.transform import Transform
from ctrlkit.model import Condition, ObjectMeta, OwnerReference, Record, to_plain, value_at
from ctrlkit.model.kinds import CONFIG_MAPS
from ctrlkit.model.pydantic_models import is_model, model_decoder


class Spec(pydantic.BaseModel):
    max_size: int = pydantic.Field(alias="maxSize")


class Site(pydantic.BaseModel):
    metadata: ObjectMeta
    owner: OwnerReference | None = None
    conditions: list[Condition] = []
    specs: list[Spec] = []

    @pydantic.model_validator(mode="after")
    def _refuses(self) -> Site:
        if len(self.specs) > 1:
            raise ValueError("secret thing")
        return self


def test_types_of_the_framework_stand_in_models() -> None:
    """Read and written as they travel."""
    data = {
        "metadata": {"name": "a", "resourceVersion": "7"},
        "owner": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Up"}],
        "specs": [{"maxSize": 3}],
    }
    site = model_decoder(Site)(msgspec.json.encode(data))
    assert (site.metadata.resource_version, site.conditions[0].reason, site.specs[0].max_size) == ("7", "Up", 3)
    assert to_plain(site)["metadata"] == {"name": "a", "resourceVersion": "7"}
    assert to_plain(site)["specs"] == [{"maxSize": 3}]
    assert value_at(site, "metadata.name") == "a"
    with pytest.raises(ValueError, match="Spec does not decode 'size'"):
        value_at(site.specs[0], "size")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"metadata": {}, "specs": [{"maxSize": "x"}]}', r"unable to parse .* - at `\$\.specs\[0\]\.maxSize`"),
        (b'{"metadata": 5}', "Expected `object`"),
        (b'{"metadata": {}, "specs": [{}, {"maxSize": "x"}]}', "and 1 more"),
        (b"{", "Invalid JSON"),
    ],
)
def test_what_does_not_fit_is_told_as_for_other_types(data: bytes, said: str) -> None:
    """What is wrong first, where, and how much more."""
    with pytest.raises(msgspec.ValidationError, match=said):
        model_decoder(Site)(data)


def test_models_are_told_from_other_classes() -> None:
    """By what pydantic gives each of them."""
    assert is_model(Site)
    assert not is_model(ObjectMeta)
    assert not is_model(Site(metadata=ObjectMeta()))


def test_a_transform_keeps_models() -> None:
    """Packed as the JSON in which they travel."""
    slim = Transform(CONFIG_MAPS.of(Site), lambda site: site.model_copy(update={"conditions": []}))
    record = Record(ObjectMeta(name="a"), Site(metadata=ObjectMeta(name="a"), specs=[Spec(maxSize=3)]), lambda one: one)
    assert slim(record).value.specs[0].max_size == 3


class Optional(pydantic.BaseModel):
    needed: int | None
    other: str | None = "some"
    absent: str | None = None
    inner: list[Spec] = []


def test_none_is_sent_where_it_is_no_default() -> None:
    """What is absent by default stays absent."""
    value = Optional(needed=None, other=None, inner=[Spec(maxSize=1)])
    assert to_plain(value) == {"needed": None, "other": None, "inner": [{"maxSize": 1}]}
