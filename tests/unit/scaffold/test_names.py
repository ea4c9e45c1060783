"""One name makes all the names of a project, and each is one that Kubernetes and Python take."""

from __future__ import annotations

import keyword
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrlkit.names import PROGRAM_MAX
from ctrlkit.scaffold.names import KIND_MAX, BadName, names_of, pluralize

PROJECTS = st.from_regex("[a-z]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
KINDS = st.from_regex("[A-Z][A-Za-z0-9]{0,58}", fullmatch=True)


DNS_1035 = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")


def is_dns_1035(name: str) -> bool:
    """Whether a name is what servers ask of plurals, singulars, and kinds in small letters."""
    return len(name) <= 63 and DNS_1035.fullmatch(name) is not None


@settings(max_examples=20)
@given(project=PROJECTS, kind=st.one_of(st.just(""), KINDS))
def test_any_valid_name_makes_names_that_are_taken(project: str, kind: str) -> None:
    """By Python as names, none of which hides another, and by Kubernetes as a kind's."""
    names = names_of(project, kind=kind)
    own = (names.package, names.type_name, names.constant, names.variable)
    assert all(name.isidentifier() and not keyword.iskeyword(name) for name in own)
    assert len({*own[1:]}) == 3
    assert names.package not in sys.stdlib_module_names
    assert all(map(is_dns_1035, (names.project, names.plural, names.kind.lower(), f"{names.kind}List".lower())))


@settings(max_examples=20)
@given(st.one_of(PROJECTS, KINDS, st.text(max_size=50)))
def test_any_text_makes_names_or_is_refused_in_one_line(text: str) -> None:
    """Which says what is allowed; a name that it proposes is one."""
    for arguments in ({"project": text}, {"project": "a", "kind": text}, {"project": "a", "group": text}):
        try:
            names_of(**arguments)
        except BadName as error:
            said = str(error)
            assert "\n" not in said
            assert "letter" in said or "domain" in said
            proposed = re.search("; write ([^ ]+)$", said)
            if proposed is not None:
                names_of(**{**arguments, list(arguments)[-1]: proposed[1]})


@pytest.mark.parametrize(
    ("project", "kind", "found"),
    [
        ("cache-operator", "", "cache_operator Cache caches Cache CACHES cache"),
        ("dns-policy-controller", "", "dns_policy_controller DnsPolicy dnspolicies DnsPolicy DNS_POLICIES dns_policy"),
        ("gateways", "HTTPRoute", "gateways HTTPRoute httproutes HTTPRoute HTTP_ROUTES http_route"),
        ("operator", "", "operator_operator Operator operators Operator OPERATORS operator"),
        ("email", "", "email_operator Email emails Email EMAILS email"),
        ("rich", "", "rich_operator Rich riches Rich RICHES rich"),
        ("examples", "Example", "examples_operator Example examples Example EXAMPLES example"),
        ("class", "", "class_operator Class classes Class CLASSES class_object"),
        ("schema-operator", "", "schema_operator Schema schemas SchemaResource SCHEMAS schema"),
        ("context-operator", "", "context_operator Context contexts ContextResource CONTEXTS context_object"),
        ("exception", "", "exception Exception exceptions ExceptionResource EXCEPTIONS exception"),
        ("a--b", "", "a_b AB abs AB ABS ab"),
        ("person-operator", "", "person_operator Person people Person PEOPLE person"),
    ],
)
def test_what_follows_from_a_name(project: str, kind: str, found: str) -> None:
    """Package, kind, plural; and in Python the class, the resource and an object."""
    names = names_of(project, kind=kind)
    own = (names.package, names.kind, names.plural, names.type_name, names.constant, names.variable)
    assert " ".join(own) == found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"project": "Cache_Operator"}, "write cache-operator"),
        ({"project": "1-cache"}, "write cache"),
        ({"project": "a" * (PROGRAM_MAX + 1)}, "40 characters at most"),
        ({"project": "caché"}, "small letters, digits and hyphens"),
        ({"project": "cache", "kind": "my cache"}, "write MyCache"),
        ({"project": "cache", "kind": "A" * (KIND_MAX + 1)}, "59 characters at most"),
        ({"project": "cache", "group": "example"}, "with a dot in it"),
        ({"project": "cache", "group": "Example.com"}, "small letters"),
        ({"project": "cache", "group": "apps.k8s.io"}, "Kubernetes' own"),
        ({"project": "cache", "plural": "Caches"}, "name one with --plural"),
    ],
)
def test_what_is_refused(arguments: dict[str, str], said: str) -> None:
    """With what is allowed, and where there is one, with a name that would do."""
    with pytest.raises(BadName, match=re.escape(said)):
        names_of(**arguments)


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("policy", "policies"),
        ("key", "keys"),
        ("bus", "buses"),
        ("alias", "aliases"),
        ("mouse", "mice"),
        ("dns", "dnses"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    """By the rules of English, and for irregular words by the list."""
    assert pluralize(one) == many


@pytest.mark.parametrize(
    ("kind", "article"), [("Cache", "a"), ("Alias", "an"), ("Unit", "a"), ("HTTPRoute", "an"), ("DNSName", "a")]
)
def test_articles(kind: str, article: str) -> None:
    """For what is said of an object of the kind; an acronym is spelt."""
    assert names_of("project", kind=kind).article == article
