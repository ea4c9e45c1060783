"""The tracker: a Transport for asynchronous callers, and plain calls for tests."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ctrlkit.errors import ApiError
from ctrlkit.fakes.releases import NEWEST
from ctrlkit.fakes.tracker.admission import DEFAULT_PLUGINS, check_plugins
from ctrlkit.fakes.tracker.authentication import authenticate
from ctrlkit.fakes.tracker.callers import User, caller, is_admitted, service_account
from ctrlkit.fakes.tracker.core import Core
from ctrlkit.fakes.tracker.exchanges import Exchange, NoWebhooks, Unanswered, Webhooks
from ctrlkit.fakes.tracker.furniture import furnish_policy
from ctrlkit.fakes.tracker.kinds.registry import Registry
from ctrlkit.fakes.tracker.refusals import bad_request
from ctrlkit.fakes.tracker.rights.attributes import Attributes, about, of_action
from ctrlkit.fakes.tracker.rights.authorizer import allowed, check, refusal
from ctrlkit.fakes.tracker.runtime import PodRuntime
from ctrlkit.fakes.tracker.schema.depth import TooDeep, decode, deeply, plain_copy
from ctrlkit.fakes.tracker.store import Change, Identity, Store, Write
from ctrlkit.fakes.tracker.subresources.connect import connect, read_log
from ctrlkit.fakes.tracker.subresources.connecting import admit_connection
from ctrlkit.fakes.tracker.tokens import InvalidToken
from ctrlkit.fakes.tracker.verbs.partial import MetadataLines, metadata_only
from ctrlkit.fakes.tracker.verbs.promise import Body, promise
from ctrlkit.fakes.tracker.verbs.restore import restore
from ctrlkit.fakes.tracker.verbs.selection import Selection
from ctrlkit.fakes.tracker.verbs.serve import checked, serve
from ctrlkit.fakes.tracker.verbs.watch import WatchStream
from ctrlkit.model import (
    Action,
    AnyResource,
    ApplyPatch,
    JsonPatch,
    Lines,
    MergePatch,
    ObjectKey,
    OnConflict,
    Options,
    Patch,
    PatchType,
    Resource,
    StrategicMergePatch,
    Unstructured,
    Verb,
    kinds,
    to_plain,
)
from ctrlkit.model.streams import Connection

_FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_NO_OPTIONS = Options()
_CONNECTIONS = ("attach", "exec", "portforward")

T = TypeVar("T")


class Tracker:
    """
    A small API server in this process: one version log, the server's rules, and no HTTP.

    >>> from ctrlkit.model.kinds import CONFIG_MAPS
    >>> tracker = Tracker()
    >>> made = tracker.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}, "data": {"x": "1"}})
    >>> tracker.get(CONFIG_MAPS, "default/a").at("data.x"), tracker.version == int(made.metadata.resource_version)
    ('1', True)

    Shape   `do` and `watch` are the Transport; the plain calls go through the same rules as Actions. Namespaces
            `default` and `kube-*` are there from the start; no loop of a cluster runs here, so nothing collects
            dependents or empties namespaces. Versions begin after `begins_at`: a server that takes the place of an
            earlier one begins after all of its versions, `version_at(now())`, so that its clients list anew. `server`
            is the Kubernetes release whose kinds are served, such as "1.36". `plugins` names the admission plug-ins
            that are on. With `rbac` callers may do what roles and their bindings allow; without a caller
            (`ctrlkit.fakes.tracker.callers`) it is the administrator who calls.
    Errors  ApiError, with a real server's class, code and text; ValueError for a release that is not imitated, and for
            a plug-in that there is not.
    Owner   One event loop. All state changes happen inside a call, none between two.
    """

    def __init__(
        self,
        *,
        begins_at: int = 0,
        server: str = NEWEST,
        plugins: frozenset[str] = DEFAULT_PLUGINS,
        rbac: bool = False,
    ) -> None:
        check_plugins(plugins)
        self._core = Core(begins_at=begins_at, server=server, plugins=plugins, rbac=rbac)
        self.webhooks: Webhooks = NoWebhooks()
        """What calls webhooks; without it none can be reached."""
        self._awaited: dict[str, Callable[[Action], None]] = {}
        self._watches: dict[WatchStream, None] = {}
        for name in _FIRST_NAMESPACES:
            self.call(Action(verb=Verb.CREATE, resource=kinds.NAMESPACES, body={"metadata": {"name": name}}))
        if rbac:
            furnish_policy(self._core)

    @property
    def registry(self) -> Registry:
        """The kinds that are served."""
        return self._core.registry

    @property
    def log(self) -> Store:
        """Whatever was stored; to be read only."""
        return self._core.store

    @property
    def version(self) -> int:
        """The version of the newest write of any kind."""
        return self._core.store.version

    async def do(self, action: Action) -> bytes:
        """Perform any verb but watch (Transport)."""
        return await self.do_own(_with_own_body(action))

    async def do_own(self, action: Action) -> bytes:
        """Perform a call as `do`; its body is the tracker's from then on, and not to be changed."""
        self._note_look(action)
        return await self._in_exchange(action, self._perform)

    async def _in_exchange(self, action: Action, perform: Callable[[Action], T]) -> T:
        """Do what a request asks for, and call the webhooks that it needs."""
        if not self._core.may_ask(action):
            return perform(action)
        exchange = Exchange()
        while True:
            try:
                return self._run(exchange, action, perform)
            except Unanswered as unanswered:
                await exchange.ask(unanswered.questions, self.webhooks)

    def call(self, action: Action) -> bytes:
        """
        Perform any verb but watch, synchronously.

        Errors  also RuntimeError if a webhook is to be called that cannot answer without waiting.
        """
        return self.call_own(_with_own_body(action))

    def call_own(self, action: Action) -> bytes:
        """Perform a call as `call`; its body is the tracker's from then on, and not to be changed."""
        self._note_look(action)
        return self._in_exchange_now(action, self._perform)

    def _in_exchange_now(self, action: Action, perform: Callable[[Action], T]) -> T:
        """Do what a request asks for, and call the webhooks that it needs without waiting."""
        if not self._core.may_ask(action):
            return perform(action)
        exchange = Exchange()
        while True:
            try:
                return self._run(exchange, action, perform)
            except Unanswered as unanswered:
                exchange.ask_now(unanswered.questions, self.webhooks)

    def _run(self, exchange: Exchange, action: Action, perform: Callable[[Action], T]) -> T:
        """Do it with the answers of webhooks so far. Errors: Unanswered, before anything is stored."""
        version = self.version
        try:
            answer = exchange.run(perform, action)
        except Unanswered:
            if self.version != version and action.verb is not Verb.DELETE_COLLECTION:
                raise RuntimeError(f"{action}: something was stored before all webhooks had answered") from None
            raise
        if exchange.annotations:
            self.webhooks.audit(action, exchange.annotations)
        return answer

    def _perform(self, action: Action) -> bytes:
        try:
            return deeply(self._answer, action)
        except TooDeep as error:
            raise bad_request(str(error)) from None

    def _answer(self, action: Action) -> bytes:
        self._check_caller(action)
        answer = serve(self._core, action)
        return metadata_only(answer) if action.options.metadata_only else answer

    def promise(
        self, resource: AnyResource, key: ObjectKey, body: Body[T], facts: T, *, options: Options
    ) -> Write | None:
        """
        Create an Event that breaks no rule, whose body is asked for when somebody looks; return what was written.

        None if it is not created: then it is to be created as usual.
        """
        return promise(self._core, resource, key, body, facts, options=options)

    @asynccontextmanager
    async def watch(self, action: Action) -> AsyncIterator[Lines]:
        """Open a watch (Transport)."""
        self._note_look(action)
        self._check_caller(action)
        served = checked(self._core, action)
        stream = await self._in_exchange(action, lambda _: WatchStream(self._core, served, action, self.webhooks))
        self._watches[stream] = None
        try:
            yield MetadataLines(stream) if action.options.metadata_only else stream
        finally:
            del self._watches[stream]
            stream.close()

    @asynccontextmanager
    async def read(self, action: Action) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the log of a container (StreamTransport)."""
        self._check_caller(action)
        pieces = await read_log(self._core, checked(self._core, action), action)
        try:
            yield pieces
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    @asynccontextmanager
    async def connect(self, action: Action, protocols: Sequence[str]) -> AsyncIterator[Connection]:
        """Open a connection to a container or a port of a pod (StreamTransport)."""
        self._check_caller(action)
        served = checked(self._core, action)
        await self._in_exchange(action, lambda _: admit_connection(self._core, served, action))
        async with connect(self._core, served, action, protocols) as connection:
            yield connection

    def _check_caller(self, action: Action) -> None:
        """Refuse what the caller may not do, unless somebody has asked already. Errors: Forbidden."""
        if action.subresource in _CONNECTIONS:
            self._check_connection(action)
        elif self._core.rights is not None and not is_admitted():
            check(self._core, caller(), of_action(action))

    def _check_connection(self, action: Action) -> None:
        """
        Refuse a connection that the caller may not open. Errors: Forbidden.

        A WebSocket begins with a GET, and whoever opens one to a pod needs the right to create it too.
        """
        if self._core.rights is None:
            return
        wanted = of_action(action)
        if not is_admitted():
            check(self._core, caller(), dataclasses.replace(wanted, verb="get"))
        decision = allowed(self._core, caller(), dataclasses.replace(wanted, verb="create"))
        if not decision.allowed:
            raise about(wanted, decision.reason)

    @property
    def has_rbac(self) -> bool:
        """Whether it is asked who may do what."""
        return self._core.rights is not None

    def refusal(self, user: User, wanted: Attributes) -> ApiError | None:
        """Return the refusal of what a user may not do, None if it is allowed."""
        return refusal(self._core, user, wanted)

    def run_pods_with(self, runtime: PodRuntime | None) -> None:
        """Have a runtime answer for the logs, commands and ports of pods; None: nobody does, as without kubelets."""
        self._core.runtime = runtime

    def token_keys(self) -> list[dict[str, str]]:
        """Return the public keys of the tokens that this server makes, each as a JSON Web Key."""
        return self._core.tokens.public_keys()

    def authenticate(self, token: str) -> User | None:
        """Return the service account that a token of this server stands for, as a user; None if it is not valid."""
        try:
            account = authenticate(self._core, token).account
        except InvalidToken:
            return None
        return service_account(account.username, account.uid, account.extra)

    def busy(self) -> tuple[str, ...]:
        """The watches that have not delivered the newest change they select: `watch pods at 2, server at 3`."""
        return tuple(lag for stream in self._watches if (lag := stream.lag()))

    def history(self, after: int = 0) -> list[tuple[str, Change]]:
        """Return the writes after a version that are still kept, in order, each with its kind as `plural.group`."""
        found = [
            (collection.name, change)
            for collection in self._core.store.collections()
            if collection.changes and collection.changes[-1].version > after
            for change in collection.after(after)
        ]
        return sorted(found, key=lambda entry: entry[1].version)

    def writes(self, after: int) -> list[Write]:
        """Return what was written after a version, oldest first: as far back as some thousands of writes."""
        writes = self._core.store.writes
        if writes and writes[-1].version == after + 1:
            return [writes[-1]]
        newest_first = itertools.takewhile(lambda write: write.version > after, reversed(writes))
        return list(newest_first)[::-1]

    def on_first_object(self, follower: Callable[[Identity], None]) -> Callable[[], None]:
        """
        Call a function with the group and plural of each kind that has or had an object, now or with its first.

        What is returned ends it.
        """
        return self._core.store.on_first_object(follower)

    def on_first_look(self, resource: AnyResource, make: Callable[[], None]) -> None:
        """Call a function once, before the first call that is about a kind and creates nothing: it may make objects."""

        def look(action: Action) -> None:
            if action.verb is not Verb.CREATE and action.resource.group == resource.group:
                del self._awaited[resource.plural]
                make()

        self._awaited[resource.plural] = look

    def _note_look(self, action: Action) -> None:
        """Have made what waits for the first call about a kind."""
        if action.resource.plural in self._awaited:
            self._awaited[action.resource.plural](action)

    def newest(self, action: Action, after: int) -> int | None:
        """Return the version of the newest write after `after` that an Action selects, 0 if none; None if compacted."""
        served = self.registry.find(action.resource.group, action.resource.version, action.resource.plural)
        collection = self._core.collection(served) if served else self._core.store.collection(action.resource.identity)
        if after < collection.floor:
            return None
        selection = Selection(served, action) if served else None
        newest = 0
        try:
            changes = list(collection.since(collection.place_after(after)))
        except Unanswered:
            return self.version  # nobody has seen them at this version yet
        for change in changes:
            if selection is None or not selection.includes(change.key.namespace):
                continue
            if selection.matches(change.before) or selection.matches(change.after):
                newest = change.version
        return newest

    def compact(self) -> None:
        """Drop all history: from now on older versions are answered with 410."""
        self._core.store.compact()

    def get(self, resource: AnyResource, key: ObjectKey | str, *, subresource: str = "") -> Unstructured:
        """Return an object as it is now. Errors: also ValueError for a key that no object of the kind can have."""
        return self._object(Verb.GET, resource, self._key(Verb.GET, resource, key), subresource=subresource)

    def list(self, resource: AnyResource, namespace: str = "", options: Options = _NO_OPTIONS) -> list[Unstructured]:
        """Return the objects of a namespace, or of all, as they are now."""
        _check_resource(Verb.LIST, resource)
        action = Action(verb=Verb.LIST, resource=resource, namespace=namespace, options=options)
        head = {"kind": resource.kind, "apiVersion": resource.api_version}
        return [Unstructured(head | item) for item in decode(self.call(action))["items"]]

    def create(self, resource: AnyResource, body: object, options: Options = _NO_OPTIONS) -> Unstructured:
        """Create an object in the namespace that its metadata names."""
        _check_resource(Verb.CREATE, resource)
        plain = deeply(lambda: to_plain(body))
        key = _key_of(resource, plain)
        return self._object(Verb.CREATE, resource, ObjectKey(key.namespace, ""), body=plain, options=options)

    def restore(self, resource: AnyResource, body: object) -> None:
        """
        Store an object as another server has shown it, with its uid, times, owners and status; nobody admits it.

        Its version is new, and it takes the place of an object of the same name. Errors: ApiError for one that no
        server has.
        """
        plain = deeply(lambda: to_plain(body))
        key, strict = _key_of(resource, plain), Options(field_validation="Strict")
        action = Action(
            verb=Verb.CREATE, resource=resource, namespace=key.namespace, name=key.name, body=plain, options=strict
        )
        served = self._core.served(resource)
        self._in_exchange_now(action, lambda _: deeply(restore, self._core, served, action))

    def update(
        self, resource: AnyResource, body: object, *, subresource: str = "", options: Options = _NO_OPTIONS
    ) -> Unstructured:
        """Update an object, or the part of it that a subresource stands for."""
        _check_resource(Verb.UPDATE, resource)
        plain = deeply(lambda: to_plain(body))
        key = _key_of(resource, plain)
        return self._object(Verb.UPDATE, resource, key, subresource=subresource, body=plain, options=options)

    def patch(
        self,
        resource: AnyResource,
        key: ObjectKey | str,
        patch: Patch,
        *,
        subresource: str = "",
        options: Options = _NO_OPTIONS,
    ) -> Unstructured:
        """Patch an object; an ApplyPatch needs `options.field_manager`."""
        patch_type, body = deeply(lambda: _patch_parts(patch))
        if isinstance(patch, ApplyPatch) and patch.on_conflict is OnConflict.FORCE:
            options = dataclasses.replace(options, force=True)
        return self._object(
            Verb.PATCH,
            resource,
            self._key(Verb.PATCH, resource, key),
            subresource=subresource,
            body=body,
            patch_type=patch_type,
            options=options,
        )

    def delete(self, resource: AnyResource, key: ObjectKey | str, options: Options = _NO_OPTIONS) -> Unstructured:
        """Delete an object; return the server's answer: the object if it is not removed yet, or a Status."""
        return self._object(Verb.DELETE, resource, self._key(Verb.DELETE, resource, key), options=options)

    def _key(self, verb: Verb, resource: AnyResource, key: ObjectKey | str) -> ObjectKey:
        """Return the key of an object; one in text has a namespace where the kind, as it is served, is in them."""
        _check_resource(verb, resource)
        read, served = ObjectKey.of(key), self.registry.find(resource.group, resource.version, resource.plural)
        if isinstance(key, str) and served is not None and bool(read.namespace) != served.resource.namespaced:
            where, instead = ("no namespace", read.name) if read.namespace else ("namespaces", f"demo/{read.name}")
            raise ValueError(f"{verb} {resource.plural} {key!r}: they are in {where}; write {instead!r}")
        return read

    def _object(self, verb: Verb, resource: AnyResource, key: ObjectKey, **rest: Any) -> Unstructured:
        action = Action(verb=verb, resource=resource, namespace=key.namespace, name=key.name, **rest)
        return Unstructured(decode(self.call_own(action)))


def with_body(action: Action, body: object) -> Action:
    """Return the same call with another body."""
    return Action(
        verb=action.verb,
        resource=action.resource,
        namespace=action.namespace,
        name=action.name,
        subresource=action.subresource,
        body=body,
        patch_type=action.patch_type,
        options=action.options,
    )


def _with_own_body(action: Action) -> Action:
    """Return a call whose body nobody else has: parts of it are kept, as long as they are new."""
    if action.body is None:
        return action
    try:
        return with_body(action, deeply(plain_copy, action.body))
    except TooDeep:
        return action  # it is refused


def _check_resource(verb: Verb, resource: object) -> None:
    """Refuse what is no Resource. Errors: TypeError."""
    if not isinstance(resource, Resource):
        raise TypeError(
            f"{verb} {resource!r}: it is no Resource; write one, as PODS of ctrlkit.model.kinds, or make one with "
            "custom_resource(...)"
        )


def _key_of(resource: AnyResource, body: Mapping[str, Any]) -> ObjectKey:
    """Return the key of an object; what is wrong with it is said when it is decoded."""
    metadata = body.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    namespace, name = (value if isinstance(value, str) else "" for value in (named.get("namespace"), named.get("name")))
    return ObjectKey(namespace if resource.namespaced else "", name)


def _patch_parts(patch: Patch) -> tuple[PatchType, Any]:
    match patch:
        case JsonPatch(operations):
            return PatchType.JSON, to_plain(operations)
        case MergePatch(fields):
            return PatchType.MERGE, to_plain(fields)
        case StrategicMergePatch(fields):
            return PatchType.STRATEGIC, to_plain(fields)
        case ApplyPatch(fields, _):
            return PatchType.APPLY, to_plain(fields)
