"""Kinds as people write them who know their library and not ours: each with objects that are written and read back."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import attrs
import msgspec
import pydantic
from msgspec import UNSET, Meta, UnsetType
from pydantic.alias_generators import to_camel

from ctrlkit.model import (
    AnyResource,
    Column,
    Condition,
    Definition,
    ObjectMeta,
    Rule,
    ScaleFields,
    Schema,
    custom_resource,
)

T = TypeVar("T")
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = UUID("12345678-1234-5678-1234-567812345678")


class Case(NamedTuple):
    """A kind, values of its spec, and specs that a server has to refuse."""

    resource: AnyResource
    values: list[Any]
    refused: list[dict[str, Any]]


def kind_of(name: str, type_: Any, **definition: Any) -> AnyResource:
    """A kind of such a type."""
    return custom_resource(
        group="strangers.example.com", kind=name, plural=f"{name.lower()}s", definition=Definition(**definition)
    ).of(type_)


# ---- dataclasses -----------------------------------------------------------------------------------------------------


class Tier(enum.Enum):
    GOLD = "gold"
    SILVER = "silver"


@dataclass(kw_only=True)
class Keep:
    days: Annotated[int, Meta(ge=1, le=365)] = 7
    tier: Tier = Tier.SILVER


@dataclass
class BackupSpec:
    schedule: str
    keep: Keep = field(default_factory=Keep)
    paths: list[str] = field(default_factory=lambda: ["/data"])
    until: datetime | None = None
    ratio: float = 0.5
    VERSION: ClassVar[int] = 3


@dataclass
class Backup:
    metadata: ObjectMeta
    spec: BackupSpec


@dataclass
class Box(Generic[T]):
    value: T
    others: list[T] = field(default_factory=list)
    named: dict[str, T] = field(default_factory=dict)


@dataclass
class Labeled(Box[Annotated[str, Meta(max_length=5)]]):
    label: Final[str] = "x"


@dataclass
class ShelfSpec:
    number: Box[int]
    text: Labeled
    maybe: Box[int | None] | None = None


@dataclass
class Shelf:
    metadata: ObjectMeta
    spec: ShelfSpec


# ---- attrs -----------------------------------------------------------------------------------------------------------


@attrs.define
class Limits:
    depth: int = attrs.field(default=10, validator=[attrs.validators.ge(1), attrs.validators.lt(100)])
    name: str = attrs.field(default="main", validator=attrs.validators.matches_re(r"[a-z]+"))
    mode: str = attrs.field(default="fifo", validator=attrs.validators.in_(["fifo", "lifo"]))
    note: str | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.max_len(4)))


@attrs.frozen(kw_only=True)
class QueueSpec:
    limits: Limits = attrs.Factory(Limits)
    owners: tuple[str, ...] = ()
    _hidden: int = 3


@attrs.define
class Queue:
    metadata: ObjectMeta
    spec: QueueSpec


# ---- pydantic --------------------------------------------------------------------------------------------------------


class Camel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Git(Camel):
    kind: Literal["git"] = "git"
    repo_url: pydantic.HttpUrl
    depth: Annotated[int, pydantic.Field(ge=1)] = 1


class Oci(Camel):
    kind: Literal["oci", "image"]
    image: Annotated[str, pydantic.StringConstraints(pattern=r"^[a-z/:.]+$", max_length=40)]
    insecure: bool = False


class ReleaseSpec(Camel):
    source: Git | Oci = pydantic.Field(discriminator="kind")
    replica_count: int = pydantic.Field(default=2, gt=0, description="How many.")
    tags: list[Annotated[str, pydantic.Field(max_length=3)]] = []
    mirrors: dict[str, pydantic.AnyUrl] = {}
    timeout: timedelta = timedelta(seconds=30)
    price: Decimal = pydantic.Field(default=Decimal("1.5"), ge=0)
    window: tuple[time, ...] = ()
    address: ipaddress.IPv4Address | None = None
    seen: pydantic.AwareDatetime | None = None
    owner: UUID = ID
    data: bytes = b"hi"
    coded: pydantic.Base64Bytes | None = None
    network: ipaddress.IPv4Network | None = None
    cache: int = pydantic.Field(default=0, exclude=True)

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def doubled_count(self) -> int:
        return 2 * self.replica_count

    @pydantic.field_validator("tags")
    @classmethod
    def _sorted(cls, value: list[str]) -> list[str]:
        return sorted(value)


class Release(Camel):
    metadata: ObjectMeta
    spec: ReleaseSpec


class Rule_(pydantic.BaseModel):  # noqa: N801
    model_config = pydantic.ConfigDict(extra="forbid", str_max_length=6)
    verb: Literal["get", "list"]
    on: dict[Literal["a", "b"], int] = {}
    flag: Literal[True] = True
    level: Literal[1, 2] | None = None


class Item(pydantic.BaseModel, Generic[T]):
    value: T
    weight: pydantic.PositiveFloat = 1.0


class PolicySpec(pydantic.BaseModel):
    rules: list[Rule_] = pydantic.Field(min_length=1, max_length=3)
    size: Item[int]
    names: Item[list[str]] | None = None
    limit: int | Literal["none"] = "none"
    port: Annotated[int, pydantic.Field(ge=1, le=65535)] | Annotated[str, pydantic.Field(pattern="^[a-z]+$")] = 80
    wait: Annotated[
        timedelta,
        pydantic.BeforeValidator(lambda v: timedelta(seconds=int(v[:-1])) if isinstance(v, str) else v),
        pydantic.PlainSerializer(lambda v: f"{int(v.total_seconds())}s", return_type=str),
        Schema(more={"pattern": "^[0-9]{1,5}s$"}),
    ] = timedelta(seconds=5)


class PolicyStatus(pydantic.BaseModel):
    conditions: list[Condition] = []
    phase: str = "Pending"


class Policy(pydantic.BaseModel):
    metadata: ObjectMeta
    spec: PolicySpec
    status: PolicyStatus = PolicyStatus()


# ---- msgspec ---------------------------------------------------------------------------------------------------------


class Shape(msgspec.Struct, tag_field="shape", tag=str.lower, rename="camel", forbid_unknown_fields=True):
    pass


class Circle(Shape):
    radius_mm: Annotated[int, Meta(gt=0)]


class Square(Shape):
    side_mm: int
    is_filled: bool = False


class Version(msgspec.Struct, tag=1, tag_field="v"):
    a: int = 1


class Version2(msgspec.Struct, tag=2, tag_field="v"):
    a: int = 1
    b: str = ""


class DrawingSpec(msgspec.Struct, rename="kebab", omit_defaults=True):
    main_shape: Circle | Square
    more_shapes: list[Circle | Square] = []
    form: Version | Version2 | None = None
    one: Circle | None = None


class Drawing(msgspec.Struct):
    metadata: ObjectMeta
    spec: DrawingSpec


class Pair(msgspec.Struct, Generic[T], frozen=True):
    left: T
    right: T | None = None


Cores = NewType("Cores", int)


class Extra(TypedDict, total=False):
    cores: Cores
    zone: NotRequired[Annotated[str, Meta(min_length=2)]]


Percent = Annotated[str, Meta(pattern="^[0-9]+%$")]


class MachineSpec(msgspec.Struct, rename="camel", frozen=True, kw_only=True):
    max_surge: Annotated[int, Meta(ge=1, le=10)] | Percent = 1
    size: Literal["auto", "all"] | int = "auto"
    numbers: Pair[int] = Pair(1)
    extra: Extra = {}
    born: date = date(2026, 1, 2)
    at: time = time(3, 4, 5)
    every: timedelta = timedelta(hours=1)
    price: Decimal = Decimal("0.10")
    key: Annotated[bytes, Meta(min_length=2, max_length=4)] = b"abc"
    id: UUID | None = None
    tags: frozenset[str] = frozenset()
    level: Literal["low", "high"] | None = None
    free: Any = None
    maybe: int | UnsetType = UNSET
    by_tier: dict[Tier, int] = {}
    ports: dict[str, dict[str, list[int]]] = {}


class MachineStatus(msgspec.Struct, rename="camel", frozen=True):
    ready: int = 0
    conditions: tuple[Condition, ...] = ()


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine."""

    metadata: ObjectMeta
    spec: MachineSpec
    status: MachineStatus = MachineStatus()


class Plain(msgspec.Struct, Generic[T]):
    """An object that is generic itself."""

    metadata: ObjectMeta
    spec: T


@Schema(rules=(Rule(rule="self.low <= self.high", message="low may not exceed high"),))
class Span(msgspec.Struct):
    low: int = 1
    high: int = 9
    step: Annotated[int, Schema(rules=(Rule(rule="self > 0"),))] = 1


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Part(msgspec.Struct, rename="pascal"):
    name: str
    level: Level = Level.LOW


class Cat(msgspec.Struct, tag="cat"):
    lives: int = 9


class Dog(msgspec.Struct, tag="dog"):
    barks: bool = True


class MixedSpec(msgspec.Struct):
    pets: list[Cat | Dog] = []
    by_name: dict[str, Cat | Dog] = {}
    one: Cat | Dog = msgspec.field(default_factory=Cat)
    names: Annotated[list[Annotated[str, Meta(pattern="^a")]], Meta(min_length=1, max_length=2)] = msgspec.field(
        default_factory=lambda: ["a"]
    )
    numbers: set[int] = set()
    levels: dict[str, Level] = {}
    parts: Annotated[list[Part], Schema(list_map_keys=("Name",))] = []
    maybe: list[Part | None] = []
    share: Annotated[float, Meta(ge=-1, lt=1)] | None = None
    nothing: Literal["a"] | None = None
    blob: bytearray = msgspec.field(default_factory=lambda: bytearray(b"x"))


class Mixed_(msgspec.Struct):  # noqa: N801
    metadata: ObjectMeta
    spec: MixedSpec


class Needed(TypedDict, total=False):
    a: Required[int]
    b: str
    inner: NotRequired[Extra]


class Typed(TypedDict):
    metadata: ObjectMeta
    spec: Needed


@dataclass(slots=True, kw_only=True, frozen=True)
class Slotted:
    tier: Tier | None = None
    lists: list[list[int]] = field(default_factory=list)
    spare: Slots | None = None


@dataclass(slots=True, frozen=True)
class Slots:
    count: int = 1
    names: tuple[str, ...] = ("a",)


@dataclass
class SlottedKind:
    metadata: ObjectMeta
    spec: Slotted


class Color(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(use_enum_values=True, strict=True, frozen=True, extra="allow")
    color: Color = Color.RED
    other: Color | None = None
    colors: list[Color] = [Color.BLUE]
    fixed: Literal[Color.RED] = Color.RED
    inner: Item[str] | None = None
    sizes: dict[Color, pydantic.PositiveInt] = {}
    some: pydantic.conlist(int, min_length=1, max_length=3) = [1]  # type: ignore[valid-type]
    low: Annotated[str, pydantic.StringConstraints(to_lower=True)] = "x"
    number: int | float | None = None
    text: str | int | None = None


class StrictKind(pydantic.BaseModel):
    metadata: ObjectMeta
    spec: Strict = Strict()


_GIT = Git(repo_url=pydantic.HttpUrl("https://example.com/a"))

CASES: dict[str, Case] = {
    "dataclass": Case(
        kind_of("Backup", Backup),
        [BackupSpec("@daily"), BackupSpec("@daily", Keep(days=365, tier=Tier.GOLD), ["/a", ""], WHEN, 1.0)],
        [
            {},
            {"schedule": "a", "keep": {"days": 0}},
            {"schedule": "a", "until": "soon"},
            {"schedule": "", "ratio": "x"},
        ],
    ),
    "generic dataclasses": Case(
        kind_of("Shelf", Shelf),
        [
            ShelfSpec(Box(1, [2], {"a": 3}), Labeled("ab")),
            ShelfSpec(Box(1), Labeled("ab", ["c"], {"d": "e"}, "y"), Box(None, [1, None])),
        ],
        [{"number": {"value": "1"}, "text": {"value": "a"}}, {"number": {"value": 1}, "text": {"value": "abcdef"}}],
    ),
    "attrs": Case(
        kind_of("Queue", Queue),
        [QueueSpec(), QueueSpec(limits=Limits(99, "abc", "lifo", "note"), owners=("a",))],
        [
            {"limits": {"depth": 100}},
            {"limits": {"name": "A"}},
            {"limits": {"mode": "x"}},
            {"limits": {"note": "12345"}},
        ],
    ),
    "pydantic with aliases, a discriminated union and types of its own": Case(
        kind_of("Release", Release),
        [
            ReleaseSpec(source=_GIT),
            ReleaseSpec(
                source=Oci(kind="image", image="a/b:c", insecure=True),
                replica_count=3,
                tags=["a", "b"],
                mirrors={"a": pydantic.AnyUrl("ftp://example.com/x")},
                timeout=timedelta(days=1, seconds=1.5),
                price=Decimal("0"),
                window=(time(1, 2, 3),),
                address=ipaddress.IPv4Address("10.0.0.1"),
                seen=WHEN,
                data=b"other",
                coded=b"aGk=",
                network=ipaddress.IPv4Network("10.0.0.0/8"),
            ),
        ],
        [
            {"source": {"kind": "git"}},
            {"source": {"repoUrl": "https://a.example.com"}},
            {"source": {"kind": "git", "repoUrl": "ftp://a.example.com"}},
            {"source": {"kind": "git", "repoUrl": "/a"}},
            {"source": {"kind": "oci", "image": "A"}},
            {"source": {"kind": "oci", "image": "a"}, "replicaCount": 0},
            {"source": {"kind": "oci", "image": "a"}, "tags": ["abcd"]},
            {"source": {"kind": "oci", "image": "a"}, "mirrors": {"a": "/b"}},
            {"source": {"kind": "oci", "image": "a"}, "timeout": "5m"},
            {"source": {"kind": "oci", "image": "a"}, "price": "cheap"},
            {"source": {"kind": "oci", "image": "a"}, "price": "-1"},
            {"source": {"kind": "oci", "image": "a"}, "address": "a"},
            {"source": {"kind": "oci", "image": "a"}, "owner": "me"},
            {"source": {"kind": "oci", "image": "a"}, "coded": "a"},
            {"source": {"kind": "oci", "image": "a"}, "network": "10.0.0.0"},
        ],
    ),
    "pydantic generic, forbidding, with unions and functions of its own": Case(
        kind_of("Policy", Policy, columns=(Column(name="Phase", json_path=".status.phase"),)),
        [
            PolicySpec(rules=[Rule_(verb="get")], size=Item[int](value=3)),
            PolicySpec(
                rules=[Rule_(verb="list", on={"a": 1}, level=2)],
                size=Item[int](value=3, weight=0.5),
                names=Item[list[str]](value=["a"]),
                limit=4,
                port="http",
                wait=timedelta(seconds=9),
            ),
        ],
        [
            {"rules": [], "size": {"value": 1}},
            {"rules": [{"verb": "put"}], "size": {"value": 1}},
            {"rules": [{"verb": "get", "flag": False}], "size": {"value": 1}},
            {"rules": [{"verb": "get", "level": 3}], "size": {"value": 1}},
            {"rules": [{"verb": "get"}], "size": {"value": "x"}},
            {"rules": [{"verb": "get"}], "size": {"value": 1, "weight": 0}},
            {"rules": [{"verb": "get"}], "size": {"value": 1}, "limit": "some"},
            {"rules": [{"verb": "get"}], "size": {"value": 1}, "port": 0},
            {"rules": [{"verb": "get"}], "size": {"value": 1}, "port": "80"},
            {"rules": [{"verb": "get"}], "size": {"value": 1}, "wait": "PT5S"},
        ],
    ),
    "msgspec with tags that forbids unknown fields": Case(
        kind_of("Drawing", Drawing),
        [
            DrawingSpec(Circle(3)),
            DrawingSpec(Square(2, is_filled=True), [Circle(1), Square(2)], Version2(2, "b"), Circle(9)),
        ],
        [
            {"main-shape": {"shape": "circle"}},
            {"main-shape": {"shape": "circle", "radiusMm": 0}},
            {"main-shape": {"shape": "circle", "radiusMm": 1, "sideMm": 2}},
            {"main-shape": {"shape": "oval", "radiusMm": 1}},
            {"main-shape": {"radiusMm": 1}},
        ],
    ),
    "msgspec with all sorts of values": Case(
        kind_of(
            "Machine",
            Machine,
            short_names=("mc",),
            columns=(Column(name="Ready", type="integer", json_path=".status.ready"),),
            scale=ScaleFields(spec_replicas=".spec.numbers.left", status_replicas=".status.ready"),
            selectable_fields=(".spec.level",),
        ),
        [
            MachineSpec(),
            MachineSpec(
                max_surge="25%",
                size=4,
                numbers=Pair(2, 3),
                extra={"cores": Cores(4), "zone": "ab"},
                born=date(1999, 12, 31),
                at=time(23, 59, 59, 500000),
                every=timedelta(days=2, seconds=1.25),
                price=Decimal("1E+3"),
                key=b"\x00\xff\xfe\xfd",
                id=ID,
                tags=frozenset({"a", "b"}),
                level="low",
                free={"a": [1, {"b": "c"}]},
                maybe=3,
                by_tier={Tier.GOLD: 1},
                ports={"a": {"b": [1, 2]}},
            ),
        ],
        [
            {"maxSurge": 0},
            {"maxSurge": 11},
            {"maxSurge": "25"},
            {"size": "some"},
            {"numbers": {"left": "x"}},
            {"extra": {"zone": "a"}},
            {"born": "yesterday"},
            {"at": "24:00:00"},
            {"every": "1h"},
            {"price": "1,5"},
            {"key": "!"},
            {"key": "YWJjZGVmZ2hp"},
            {"id": "x"},
            {"level": "middle"},
            {"ports": {"a": {"b": ["x"]}}},
            {"tags": ["a", "a"]},
        ],
    ),
    "msgspec with lists and mappings of tags": Case(
        kind_of("Mixed", Mixed_),
        [
            MixedSpec(),
            MixedSpec(
                pets=[Dog(), Cat(3)],
                by_name={"a": Dog(barks=False)},
                one=Dog(),
                names=["ab", "ac"],
                numbers={1, 2},
                levels={"x": Level.HIGH},
                parts=[Part("a"), Part("b", Level.HIGH)],
                maybe=[None, Part("c")],
                share=0.5,
                nothing="a",
            ),
        ],
        [
            {"pets": [{"lives": 1}]},
            {"one": {"type": "cow"}},
            {"names": []},
            {"names": ["b"]},
            {"numbers": [1, 1]},
            {"levels": {"x": 3}},
            {"parts": [{"Name": "a"}, {"Name": "a"}]},
            {"parts": [{}]},
            {"share": 1},
            {"nothing": "b"},
        ],
    ),
    "TypedDicts": Case(
        kind_of("Typed", Typed),
        [{"a": 1}, {"a": 1, "b": "x", "inner": {"cores": 3, "zone": "ab"}}],
        [{}, {"a": "x"}, {"a": 1, "inner": {"zone": "a"}}],
    ),
    "dataclasses with slots": Case(
        kind_of("Slotted", SlottedKind),
        [Slotted(), Slotted(tier=Tier.GOLD, lists=[[1], []], spare=Slots(2, ()))],
        [{"tier": "tin"}, {"lists": [["x"]]}, {"spare": {"count": "x"}}],
    ),
    "strict pydantic with enums": Case(
        kind_of("Strict", StrictKind),
        [
            Strict(),
            Strict(other=Color.BLUE, inner=Item[str](value="a"), sizes={Color.RED: 1}, number=1.5, text=3),
        ],
        [
            {"color": "green"},
            {"fixed": "blue"},
            {"sizes": {"red": 0}},
            {"some": []},
            {"inner": {}},
            {"number": "x"},
        ],
    ),
    "msgspec generic at its root, with rules": Case(
        kind_of("Span", Plain[Span]),
        [Span(), Span(2, 3, 4)],
        [{"low": 3, "high": 2}, {"step": 0}],
    ),
}


# ---- what is refused -------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    x: int
    y: int


class Bits(enum.IntFlag):
    A = 1
    B = 2


@pydantic.dataclasses.dataclass
class Checked:
    size: int = 1


class Writer(pydantic.BaseModel):
    at: datetime

    @pydantic.field_serializer("at")
    def _seconds(self, value: datetime) -> float:
        return value.timestamp()


class Whole(pydantic.BaseModel):
    a: int = 1

    @pydantic.model_serializer
    def _text(self) -> str:
        return str(self.a)


class OnlyRead(pydantic.BaseModel):
    a: int = pydantic.Field(1, validation_alias="b")


class Either(pydantic.BaseModel):
    a: int = pydantic.Field(1, validation_alias=pydantic.AliasChoices("a", "b"))


class Mixed(msgspec.Struct):
    inner: Item[int]


@dataclass
class Initial:
    metadata: ObjectMeta
    seen: dataclasses.InitVar[int] = 0


class Forbidding(msgspec.Struct, forbid_unknown_fields=True):
    metadata: ObjectMeta
    spec: Span


def _model(type_: Any, default: Any = ...) -> type[pydantic.BaseModel]:
    return pydantic.create_model("Made", value=(type_, default))


REFUSED: list[tuple[Any, str]] = [
    (list[Place], "Place travels as a list of different items"),
    (Bits, "Bits is a flag"),
    (Mixed, "field inner: Item"),
    (list[Checked], "Checked is pydantic's, and msgspec reads what it stands in"),
    (Writer, "field at: it is read as string and written as number"),
    (Whole, "a model_serializer writes something else"),
    (OnlyRead, "a is read and written under different names"),
    (Either, "a is read and written under different names"),
    (_model(pydantic.SecretStr), "field value: no schema says SecretStr: it is written as asterisks"),
    (_model(pydantic.Json[int]), "field value: it is read from JSON in a text"),
    (_model(pydantic.NaiveDatetime), "it reads those without"),
    (_model(Annotated[datetime, pydantic.PlainSerializer(lambda one: one.isoformat())]), "something that is not said"),
    (_model(re.Pattern[str] | list[int]), "no schema says"),
    (_model(Item[int] | Item[str]), "cannot be told from each other; give a field of type Literal"),
    (Annotated[datetime, Meta(tz=False)], "it reads those without"),
    (dict[Annotated[str, Meta(max_length=3)], int], "no schema limits the keys of a mapping"),
    (Literal[1, 2] | str, "no schema says"),
    (datetime | int, "no schema says datetime or int"),
    (Annotated[float, Meta(multiple_of=0.5)], "servers refuse whole numbers where multipleOf is a fraction"),
    (_model(Literal[Tier.GOLD]), "no JSON is read as Literal"),
    (Annotated[complex, Schema(type="string")], "msgspec does not read complex"),
    (Box[complex], "field value: no schema says complex"),
]
