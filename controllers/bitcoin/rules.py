"""
What a BitcoinNetwork may say beyond what the types of its fields say: rules that the API server checks, in CEL.

A field that nobody said may be absent, even one with a default: an object that was stored as v1 is read without the
defaults of v2. And a rule has to be cheap by the server's estimate, which takes what an optional gives for endless: so
`has(...)` stands where a text follows, and `.?` where a number does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ctrlkit.model.schema import Rule

NODES_MAX: Final = 100
"""Most nodes of a network, those of all groups together."""

DEFAULT_SIZE: Final = "10Gi"
"""The size of a claim where nobody says another."""

BESIDE_DBCACHE_MIB: Final = 128
"""What a node needs beside its dbcache, at the least, in MiB."""

MEMORY_MIN_MIB: Final = 171
"""The least limit of memory where nobody says dbcache, which is a quarter of it then; in MiB."""

SIZE_MIN: Final = "100Mi"
"""The least size of a claim: bitcoind ends itself where it finds less than 50 MiB."""

ID_MAX: Final = 2**31 - 1
"""The largest number of a user or a group that a pod may have."""

PRUNE_MAX_MIB: Final = 10_000_000

LONGEST_NAMES: Final = 47
"""Of a network and a group together: NETWORK-sts-GROUP-0123456789 is the value of a label on each pod."""

_OWN_OPTIONS: Final = (
    *("rpcuser", "rpcpassword", "rpcauth", "rpccookiefile", "rpcwhitelist", "rpcwhitelistdefault", "server"),
    *("rpcport", "rpcbind", "rpcallowip", "port", "bind", "whitebind", "listen", "zmqpub[a-z0-9]*"),
    *("chain", "regtest", "signet", "signetchallenge", "testnet[0-9]*", "addnode", "connect"),
    *("datadir", "blocksdir", "walletdir", "conf", "includeconf", "settings", "pid", "daemon", "daemonwait"),
    *("prune", "txindex", "dbcache", "printtoconsole"),
)
OWN_OPTION: Final = f"^(no)?({'|'.join(_OWN_OPTIONS)})="
"""A line of bitcoin.conf with an option that the controller sets, or on which it relies."""

ELSEWHERE: Final = (
    "^(alertnotify|asmap|blocknotify|debuglogfile|loadblock|shutdownnotify|signer|startupnotify|walletnotify)="
)
"""A line of bitcoin.conf that has a command run, or a file read or written outside of the chain."""

EXTRA_MAX: Final = 16_384
"""Characters in all lines of `extra`, those of groups counted: a network of v1 has them in an annotation."""

LINE: Final = '^[a-z][a-z0-9]*=[ !"$-~]*$'
"""A line of bitcoin.conf, of printable ASCII; # would begin a comment, wherever it stands."""

PEER_ADDRESS: Final = r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)(:[1-9][0-9]{0,4})?$"
"""HOST, HOST:PORT or [IPv6]:PORT."""


def _text(pattern: str) -> str:
    """Return a regular expression as CEL writes a text."""
    return "'" + pattern.replace("\\", "\\\\") + "'"


_MIB: Final = "1048576.0"
_CHAIN: Final = "(has(self.chain) ? self.chain : 'regtest')"
_SIZE: Final = f"(has({{0}}.storage) && has({{0}}.storage.size) ? {{0}}.storage.size : '{DEFAULT_SIZE}')"


def spec_rules(ports: Mapping[str, tuple[int, int]]) -> tuple[Rule, ...]:
    """Return the rules of a spec; `ports` are the RPC and P2P ports of each chain."""
    rpc, p2p = (
        f"self.?ports.?{name}.orValue({{{', '.join(f'{one!r}: {both[at]}' for one, both in ports.items())}}}[{_CHAIN}])"
        for at, name in enumerate(("rpc", "p2p"))
    )
    zmq = "self.?ports.?zmq.orValue(-1)"
    is_public = f"({_CHAIN} in ['main', 'testnet4'] || ({_CHAIN} == 'signet' && !has(self.signetChallenge)))"
    return (
        *_unchanging(),
        Rule(
            rule=f"!has(self.signetChallenge) || {_CHAIN} == 'signet'",
            message="signetChallenge is for chain signet alone; write chain: signet, or take it out",
            field_path=".signetChallenge",
        ),
        Rule(
            rule=f"self.nodes + (has(self.groups) ? self.groups.map(g, g.nodes).sum() : 0) <= {NODES_MAX}",
            message=f"a network has {NODES_MAX} nodes at most, those of its groups counted; write fewer, or make a "
            "second network",
            field_path=".nodes",
        ),
        Rule(
            rule=f"{rpc} != {p2p} && {zmq} != {rpc} && {zmq} != {p2p}",
            message="rpc, p2p and zmq have to be three ports, the chain's defaults counted; write another number",
            field_path=".ports",
        ),
        Rule(
            rule=f"!({p2p} + 1 in [{rpc}, {zmq}])",
            message="bitcoind takes the port above p2p for itself, the chain's defaults counted; write another number",
            field_path=".ports",
        ),
        Rule(
            rule="!has(self.terminationGracePeriodSeconds) || self.terminationGracePeriodSeconds >= 1",
            message="a node writes down what it has before it ends; write the seconds that it may take, such as 600",
            field_path=".terminationGracePeriodSeconds",
        ),
        *(
            Rule(
                rule=f"!has(self.securityContext) || !has(self.securityContext.{field}) || "
                f"(self.securityContext.{field} >= 1 && self.securityContext.{field} <= {ID_MAX})",
                message=f"nodes are never root, and Kubernetes counts to {ID_MAX}; write a number from 1, such as 1000",
                field_path=f".securityContext.{field}",
            )
            for field in ("runAsUser", "runAsGroup", "fsGroup")
        ),
        Rule(
            rule=f"{_extra('self')} + (has(self.groups) ? self.groups.map(g, {_extra('g')}).sum() : 0) <= {EXTRA_MAX}",
            message=f"all lines of extra have {EXTRA_MAX} characters at most, those of groups counted; write fewer",
        ),
        *_of_nodes(
            "{prune} > 0 && {txindex}",
            "txindex needs all blocks; take it out, or write pruneMiB: 0",
        ),
        *_of_nodes(
            "{memory_below_dbcache}",
            f"limits.memory is less than a node needs, {BESIDE_DBCACHE_MIB} MiB beside dbcacheMiB, which is a quarter "
            f"of the limit unless said; write a limit of {MEMORY_MIN_MIB}Mi or more, or a smaller dbcacheMiB",
        ),
        *_of_nodes(
            f"{is_public} && !(has(self.storage) && has(self.storage.size)) && {{prune}} == 0",
            f"a public chain does not fit into a claim of {DEFAULT_SIZE}; say storage.size, such as 1Ti for main, or "
            "configuration.pruneMiB, such as 2000",
        ),
        *_of_nodes(
            f"{{prune}} > 0 && {{prune}} <= {PRUNE_MAX_MIB} && "
            "!(has(self.storage) && has(self.storage.ephemeral) && self.storage.ephemeral) && "
            f"isQuantity({_SIZE.format('self')}) && "
            f"quantity({_SIZE.format('self')}).asApproximateFloat() <= double({{prune}}) * {_MIB}",
            "pruneMiB is more than a claim holds; write a larger storage.size, or a smaller pruneMiB",
        ),
    )


def _extra(whose: str) -> str:
    """Return how many characters the lines of `extra` have, of a network or of a group."""
    lines = f"{whose}.configuration.extra"
    return f"(has({whose}.configuration) && has({lines}) ? {lines}.map(line, size(line)).sum() : 0)"


def _unchanging() -> tuple[Rule, ...]:
    """What stays as it was when the network was made."""

    def same(path: str, default: str, why: str) -> Rule:
        parts = path.split(".")
        there = " && ".join(f"has({{0}}.{'.'.join(parts[:end])})" for end in range(1, len(parts) + 1))
        value = f"({there} ? {{0}}.{path} : {default})"
        rule = f"{value.format('self')} == {value.format('oldSelf')}"
        return Rule(
            rule=rule, message=f"{parts[-1]} cannot be changed, {why}; make another network", field_path=f".{path}"
        )

    new, old = _SIZE.format("self"), _SIZE.format("oldSelf")
    return (
        same("chain", "'regtest'", "the nodes have blocks of the one that was said"),
        same("signetChallenge", "''", "the nodes have blocks of its signet"),
        same("storage.ephemeral", "false", "the nodes have what they keep"),
        same("storage.className", "'-'", "the claims have their class"),
        Rule(
            rule=f"{new} == {old} || !isQuantity({new}) || !isQuantity({old}) || "
            f"quantity({new}).compareTo(quantity({old})) >= 0",
            message="size cannot be less than it was, claims do not shrink; write the old size, or a larger one",
            field_path=".storage.size",
        ),
    )


def _of_nodes(wrong: str, sentence: str) -> tuple[Rule, Rule]:
    """
    Return the rules that refuse what would make wrong nodes: those that spec.nodes counts, and those of a group.

    In `wrong` the braces stand for what counts for the nodes; a group's own word comes first.
    """
    return (
        Rule(rule=f"!({wrong.format_map(_parts(()))})", message=sentence),
        Rule(
            rule=f"!has(self.groups) || !self.groups.exists(g, {wrong.format_map(_parts(('g',)))})",
            message=f"in a group, with what the network says: {sentence}",
            field_path=".groups",
        ),
    )


def _parts(groups: tuple[str, ...]) -> dict[str, str]:
    def said(path: str) -> str:
        found = f"self.?configuration.?{path}"
        for group in groups:
            found = f"{group}.?configuration.?{path}.or({found})"
        return found

    dbcache = f"{said('dbcacheMiB')}.orValue({MEMORY_MIN_MIB - BESIDE_DBCACHE_MIB})"
    needed = f"double({dbcache} + {BESIDE_DBCACHE_MIB}) * {_MIB}"
    limits = "{0}.resources.limits"
    memory = f"{limits}['memory']"
    below = (
        f"(has({limits}) && 'memory' in {limits} && isQuantity({memory}) && !{memory}.startsWith('-') && "
        f"quantity({memory}).asApproximateFloat() < {needed})"
    )
    memory = f"(has(self.resources) && {below.format('self')})"
    for group in groups:
        memory = f"(has({group}.resources) ? {below.format(group)} : {memory})"
    return {
        "prune": said("pruneMiB") + ".orValue(0)",
        "txindex": said("txindex") + ".orValue(false)",
        "memory_below_dbcache": memory,
    }


def _is_valid(form: str, text: str) -> str:
    """Return whether a text has one of the forms that CEL knows in Kubernetes."""
    return f"!format.{form}().validate({text}).hasValue()"


def _is_range(text: str) -> str:
    """Return whether a text is a range of addresses by its first one, as NetworkPolicies have it."""
    return f"isCIDR({text}) && cidr({text}).masked() == cidr({text})"


NODES: Final = (
    Rule(
        rule=f"self <= {NODES_MAX}",
        message=f"a network has {NODES_MAX} nodes at most; write fewer, or make a second network",
    ),
)
SECRET_OF_OTHERS: Final = (
    Rule(
        rule="!has(self.spec.secret) || self.spec.secret != self.metadata.name + '-config' || "
        "(oldSelf.hasValue() && oldSelf.value().spec.?secret.orValue('') == self.spec.secret)",
        optional_old_self=True,
        message="this Secret is the controller's own; name another, or none",
        field_path=".spec.secret",
    ),
)
NETWORK: Final = (
    Rule(
        rule="!has(self.spec.groups) || "
        f"self.spec.groups.all(g, size(self.metadata.name) + size(g.name) <= {LONGEST_NAMES})",
        message=f"the names of the network and of a group have {LONGEST_NAMES} characters together at most, because "
        "labels of pods hold both; write a shorter name",
        field_path=".spec.groups",
    ),
    *SECRET_OF_OTHERS,
)
OBJECT_NAME: Final = (
    Rule(
        rule=_is_valid("dns1123Subdomain", "self"),
        message="write the name of an object, of small letters, digits, dashes and dots, such as my-secret",
    ),
)
STORAGE: Final = (
    Rule(
        rule="!self.?ephemeral.orValue(false) || (!has(self.size) && !has(self.className))",
        message="ephemeral nodes have no claims; take out size and className, or ephemeral",
    ),
)
SIZE: Final = (
    Rule(
        rule=f"self.matches({_text('^[0-9]+([.][0-9]+)?(k|[MGTPE]|[KMGTPE]i)?$')}) && "
        f"quantity(self).compareTo(quantity('{SIZE_MIN}')) >= 0",
        message=f"write the size of a claim with its unit, {SIZE_MIN} or more, such as 10Gi",
    ),
)
CLASS_NAME: Final = (
    Rule(
        rule=f"self == '' || {_is_valid('dns1123Subdomain', 'self')}",
        message="write the name of a StorageClass, of small letters, digits, dashes and dots, such as fast",
    ),
)
SCRIPT: Final = (
    Rule(
        rule="self.matches('^([0-9a-f]{2})+$')",
        message="write a script in hexadecimal digits, two for each byte and letters small, such as 51",
    ),
)
VERSION: Final = (
    Rule(
        rule=f"self.matches({_text('^[0-9]+([.][0-9]+){0,3}$')})",
        message="write the numbers of a version, such as 29.1; an image of another tag is named by image",
    ),
)
PORT: Final = (
    Rule(
        rule="self >= 1024 && self <= 65535",
        message="write a port from 1024 to 65535; nodes are not root, and cannot listen below",
    ),
)
PRUNE: Final = (
    Rule(
        rule=f"self == 0 || (self >= 550 && self <= {PRUNE_MAX_MIB})",
        message=f"bitcoind keeps 550 MiB of blocks at the least; write 550 to {PRUNE_MAX_MIB} MiB, or 0 to keep all",
    ),
)
EXTRA: Final = (
    Rule(
        rule=f"self.matches({_text(LINE)})",
        message="write a line of bitcoin.conf, NAME=VALUE, such as debug=net; in ASCII and without #",
    ),
    Rule(
        rule=f"!self.matches({_text(ELSEWHERE)})",
        message_expression="self.split('=')[0] + ' runs a command, or is about a file outside of the chain; take it "
        "out'",
        message="this option runs a command, or is about a file outside of the chain; take it out",
    ),
    Rule(
        rule=f"!self.matches({_text(OWN_OPTION)})",
        message_expression="'the controller sets ' + self.split('=')[0] + ' itself; take it out, and see chain, peers, "
        "ports, secret, storage and the other fields of configuration'",
        message="the controller sets this option itself; take it out",
    ),
)
IMAGE: Final = (
    Rule(
        rule="self.matches('^[a-z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
        "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$')",
        message="write the name of an image, such as docker.io/bitcoin/bitcoin:29.1",
    ),
)
PEER: Final = (
    Rule(
        rule=f"self.matches({_text(PEER_ADDRESS)}) && (!self.matches(':[0-9]+$') || "
        "int(self.split(':')[self.split(':').size() - 1]) <= 65535)",
        message="write HOST or HOST:PORT, such as seed.example.com:8333, 192.0.2.1 or [2001:db8::1]:8333",
    ),
)
GROUP_NAME: Final = (
    Rule(
        rule="self.matches('^[a-z][a-z0-9]*$')",
        message="a group has a name of small letters and digits that begins with a letter; write one such as old",
    ),
    Rule(
        rule="!(self in ['main', 'sts'])",
        message="a group is not called main, which are the nodes that spec.nodes counts, nor sts; write another name",
    ),
)
AMOUNT: Final = (
    Rule(
        rule=f"self.matches({_text('^[0-9]+([.][0-9]+)?(m|k|[MGTPE]|[KMGTPE]i)?$')})",
        message="write an amount, such as 2Gi of memory or 500m of cpu",
    ),
)
AMOUNTS: Final = (
    Rule(
        rule="self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || name.contains('/'))",
        message="a container has cpu, memory and ephemeral-storage, and what a node offers beside, such as "
        "example.com/disk; write one of these names",
    ),
)
RESOURCES: Final = (
    Rule(
        rule="!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || "
        "!isQuantity(self.requests[name]) || !isQuantity(self.limits[name]) || "
        "quantity(self.requests[name]).compareTo(quantity(self.limits[name])) <= 0)",
        message="what is requested is more than the limit; write a smaller request, or a larger limit",
        field_path=".requests",
    ),
)
LABEL_KEY: Final = (
    Rule(
        rule=_is_valid("qualifiedName", "self"),
        message="write the name of a label, of letters, digits, dashes, dots and underscores, such as disk or "
        "example.com/disk",
    ),
)
TAINT_KEY: Final = (
    Rule(
        rule=f"self == '' || {_is_valid('qualifiedName', 'self')}",
        message="write the key of a taint, of letters, digits, dashes, dots and underscores, such as dedicated or "
        "example.com/dedicated",
    ),
)
LABEL_VALUE: Final = (
    Rule(
        rule=_is_valid("labelValue", "self"),
        message="write the value of a label, of letters, digits, dashes, dots and underscores, such as ssd",
    ),
)
LABELS: Final = (
    Rule(
        rule=f"self.all(key, {_is_valid('qualifiedName', 'key')})",
        message="labels have names of letters, digits, dashes, dots and underscores; write one such as disk or "
        "example.com/disk",
    ),
)
TOLERATION: Final = (
    Rule(
        rule="self.?key.orValue('') != '' || self.?operator.orValue('') == 'Exists'",
        message="without a key all taints are meant; write operator: Exists, or a key",
    ),
    Rule(
        rule="self.?operator.orValue('') != 'Exists' || self.?value.orValue('') == ''",
        message="with operator Exists there is no value; take it out, or write operator: Equal",
        field_path=".value",
    ),
    Rule(
        rule="!has(self.tolerationSeconds) || self.?effect.orValue('') == 'NoExecute'",
        message="tolerationSeconds is for effect NoExecute alone; write this effect, or take it out",
        field_path=".tolerationSeconds",
    ),
)
REQUIREMENT: Final = (
    Rule(
        rule="(self.operator in ['In', 'NotIn']) == (size(self.?values.orValue([])) > 0)",
        message="In and NotIn have values, Exists and DoesNotExist have none; write, or take out, values",
        field_path=".values",
    ),
)
IP_BLOCK: Final = (
    Rule(
        rule=_is_range("self.cidr"),
        message="write a range by its first address, such as 10.0.0.0/8 or 2001:db8::/32",
        field_path=".cidr",
    ),
    Rule(
        rule=f"!isCIDR(self.cidr) || !has(self.except) || self.except.all(one, {_is_range('one')} && "
        "cidr(self.cidr).containsCIDR(one) && cidr(one).prefixLength() > cidr(self.cidr).prefixLength())",
        message="write smaller ranges inside of cidr, such as 10.1.0.0/16 of 10.0.0.0/8",
        field_path=".except",
    ),
)
POLICY_PEER: Final = (
    Rule(
        rule="has(self.podSelector) || has(self.namespaceSelector) || has(self.ipBlock)",
        message="say who is meant: podSelector, namespaceSelector or ipBlock; podSelector: {} is every pod of the "
        "namespace",
    ),
    Rule(
        rule="!has(self.ipBlock) || (!has(self.podSelector) && !has(self.namespaceSelector))",
        message="ipBlock stands alone; write a second entry for the selectors",
        field_path=".ipBlock",
    ),
)
