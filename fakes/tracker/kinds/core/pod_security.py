"""Security contexts of pods and containers, and what each operating system allows of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ctrlkit.fakes.tracker.kinds.core.pod_volumes import descending_path_causes
from ctrlkit.fakes.tracker.kinds.strategy import Object
from ctrlkit.fakes.tracker.refusals import Cause
from ctrlkit.fakes.tracker.schema import formats
from ctrlkit.fakes.tracker.schema.internal import internal_text

CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
"""The kinds of containers, in the order in which a server visits them all."""

_ID_MAX = 2**31 - 1
_ID_TEXT = f"must be between 0 and {_ID_MAX}, inclusive"
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_LOCALHOST_PROFILE_MAX = 4095
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"^({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}$"
_SYSCTL_MAX = 253
_SYSCTLS_OF_IPC = frozenset(
    f"kernel.{name}" for name in ("sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced", "msgmax", "msgmnb", "msgmni")
)
_NOT_ON_WINDOWS = (
    "securityContext.appArmorProfile",
    "securityContext.seLinuxOptions",
    "hostUsers",
    "hostPID",
    "hostIPC",
    "securityContext.seccompProfile",
    "securityContext.fsGroup",
    "securityContext.fsGroupChangePolicy",
    "securityContext.sysctls",
    "shareProcessNamespace",
    "securityContext.runAsUser",
    "securityContext.runAsGroup",
    "securityContext.supplementalGroups",
    "securityContext.supplementalGroupsPolicy",
    "securityContext.seLinuxChangePolicy",
)
_NOT_IN_WINDOWS_CONTAINERS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
_DOMAIN_MAX, _USER_MAX, _SPEC_KIB_MAX = 256, 104, 64
_NETBIOS = r'[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}'
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"


def visited(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Return all containers of a pod spec, each with its path."""
    for kind in CONTAINERS:
        for index, container in enumerate(spec.get(kind) or ()):
            yield container, f"{path}.{kind}[{index}]"


# ---- contexts --------------------------------------------------------------------------------------------------------


def container_security_causes(context: Object, path: str, *, host_users: bool) -> Iterator[Cause]:
    """Yield a cause for each rule that the security context of a container breaks."""
    if not context:
        return
    yield from _id_causes(context, ("runAsUser", "runAsGroup"), path)
    if "procMount" in context:
        value = context["procMount"]
        if value not in ("Default", "Unmasked"):
            yield Cause.unsupported(f"{path}.procMount", value, ("Default", "Unmasked"))
        if host_users and value == "Unmasked":
            yield Cause.wrong(f"{path}.procMount", value, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp_causes(context, path)
    if context.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and"
        if context.get("privileged"):
            yield Cause.invalid(path, internal_text("SecurityContext", context), f"{text} `privileged` to true")
        for one in (context.get("capabilities") or {}).get("add") or ():
            if one == "CAP_SYS_ADMIN":
                shown = internal_text("SecurityContext", context)
                yield Cause.invalid(path, shown, f"{text} `capabilities.Add` CAP_SYS_ADMIN")
    yield from _windows_options_causes(context.get("windowsOptions") or {}, f"{path}.windowsOptions")
    yield from _apparmor_causes(context, path)


def pod_security_causes(spec: Object, path: str) -> Iterable[Cause]:
    """Return a cause for each rule that the security context of a pod breaks."""
    return _context_causes(spec, path) if spec["securityContext"] or spec.get("shareProcessNamespace") else ()


def _context_causes(spec: Object, path: str) -> Iterator[Cause]:
    context = spec["securityContext"]
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        share = [Cause.wrong(f"{path}.shareProcessNamespace", True, text)]  # noqa: FBT003 - the value that is shown
    else:
        share = []
    if not context:
        yield from share
        return
    yield from _id_causes(context, ("fsGroup", "runAsUser", "runAsGroup"), path)
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= _ID_MAX:
            yield Cause.wrong(f"{path}.supplementalGroups[{index}]", group, _ID_TEXT)
    yield from share
    yield from _sysctl_causes(spec, f"{path}.sysctls")
    yield from _choice_causes(context, "fsGroupChangePolicy", ("Always", "OnRootMismatch"), path)
    yield from _seccomp_causes(context, path)
    yield from _windows_options_causes(context.get("windowsOptions") or {}, f"{path}.windowsOptions")
    yield from _apparmor_causes(context, path)
    yield from _choice_causes(context, "supplementalGroupsPolicy", ("Merge", "Strict"), path)
    yield from _choice_causes(context, "seLinuxChangePolicy", ("Recursive",), path)


def _choice_causes(context: Object, name: str, values: tuple[str, ...], path: str) -> Iterator[Cause]:
    if name in context and context[name] not in values:
        yield Cause.unsupported(f"{path}.{name}", context[name], values)


def _id_causes(context: Object, names: tuple[str, ...], path: str) -> Iterator[Cause]:
    for name in names:
        if name in context and not 0 <= context[name] <= _ID_MAX:
            yield Cause.wrong(f"{path}.{name}", context[name], _ID_TEXT)


def _seccomp_causes(context: Object, path: str) -> Iterator[Cause]:
    profile, here = context.get("seccompProfile"), f"{path}.seccompProfile"
    if profile is None:
        return
    kind = profile["type"]
    if not kind:
        yield Cause.required(f"{here}.type", "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        yield Cause.unsupported(f"{here}.type", kind, _PROFILES)
    if kind != "Localhost":
        if "localhostProfile" in profile:
            shown = internal_text("SeccompProfile", profile)
            yield Cause.invalid(f"{here}.localhostProfile", shown, "can only be set when seccomp type is Localhost")
    elif "localhostProfile" not in profile:
        yield Cause.required(f"{here}.localhostProfile", "must be set when seccomp type is Localhost")
    else:
        yield from descending_path_causes(profile["localhostProfile"], f"{here}.localhostProfile")


def _apparmor_causes(context: Object, path: str) -> Iterator[Cause]:
    if "appArmorProfile" in context:
        yield from apparmor_profile_causes(context["appArmorProfile"], f"{path}.appArmorProfile")


def apparmor_profile_causes(profile: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule that an AppArmor profile breaks."""
    kind, name = profile["type"], profile.get("localhostProfile")
    here = f"{path}.localhostProfile"
    if not kind:
        yield Cause.required(f"{path}.type", "type is required when appArmorProfile is set")
    elif kind not in _PROFILES:
        yield Cause.unsupported(f"{path}.type", kind, _PROFILES)
    elif kind != "Localhost":
        if name is not None:
            yield Cause.wrong(here, name, "can only be set when AppArmor type is Localhost")
    elif name is None:
        yield Cause.required(here, "must be set when AppArmor type is Localhost")
    else:
        if name != name.strip():
            yield Cause.wrong(here, name, "must not be padded with whitespace")
        elif not name:
            yield Cause.required(here, "must be set when AppArmor type is Localhost")
        if len(name.encode()) > _LOCALHOST_PROFILE_MAX:
            yield Cause.too_long(here, _LOCALHOST_PROFILE_MAX)


def _sysctl_causes(spec: Object, path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, sysctl in enumerate(spec["securityContext"].get("sysctls") or ()):
        here, name = f"{path}[{index}].name", sysctl["name"]
        if not name:
            yield Cause.required(here)
        elif len(name) > _SYSCTL_MAX or not re.fullmatch(_SYSCTL, name):
            yield Cause.wrong(here, name, f"must have at most {_SYSCTL_MAX} characters and match regex {_SYSCTL}")
        elif name in names:
            yield Cause.duplicate(here, name)
        names.add(name)
        dotted = _dotted(name)
        if spec.get("hostNetwork") and dotted.startswith("net."):
            yield Cause.wrong(here, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and (dotted in _SYSCTLS_OF_IPC or dotted.startswith("fs.mqueue.")):
            yield Cause.wrong(here, name, "may not be specified when 'hostIPC' is true")


def _dotted(name: str) -> str:
    """Return the name of a sysctl with dots where it may have slashes."""
    first = re.search(r"[./]", name)
    if first is None or first[0] == ".":
        return name
    return name.translate(str.maketrans("./", "/."))


# ---- Windows and Linux -----------------------------------------------------------------------------------------------


def _windows_options_causes(options: Object, path: str) -> Iterator[Cause]:
    if not options:
        return
    name = options.get("gmsaCredentialSpecName")
    if name is not None:
        yield from Cause.all_wrong(f"{path}.gmsaCredentialSpecName", name, formats.subdomain(name))
    spec = options.get("gmsaCredentialSpec")
    if spec is not None:
        if not spec:
            yield Cause.wrong(f"{path}.gmsaCredentialSpec", spec, "gmsaCredentialSpec cannot be an empty string")
        elif len(spec.encode()) > _SPEC_KIB_MAX * 1024:
            text = f"gmsaCredentialSpec size must be under {_SPEC_KIB_MAX} KiB"
            yield Cause.wrong(f"{path}.gmsaCredentialSpec", spec, text)
    user = options.get("runAsUserName")
    if user is not None:
        for text in _user_complaints(user):
            yield Cause.wrong(f"{path}.runAsUserName", user, f"runAsUserName{text}")


def _user_complaints(name: str) -> Iterator[str]:
    if not name:
        yield " cannot be an empty string"
        return
    if re.search(r"[\x00-\x1f\x7f]", name):
        yield " cannot contain control characters"
        return
    if name.count("\\") > 1:
        yield " cannot contain more than one backslash"
        return
    domain, has_domain, user = name.rpartition("\\")
    if len(domain) >= _DOMAIN_MAX:
        yield f"'s Domain length must be under {_DOMAIN_MAX} characters"
    is_dns = re.fullmatch(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*", domain)
    if has_domain and not re.fullmatch(_NETBIOS, domain) and not is_dns:
        yield "'s Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "'s User cannot be empty"
    elif len(user) > _USER_MAX:
        yield f"'s User length must not be longer than {_USER_MAX} characters"
    if re.fullmatch(r"[. ]+", user):
        yield "'s User cannot contain only periods or spaces"
    if re.search(r'["/\\:;|=,+*?<>@\[\]]', user):
        yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def host_process_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for each rule of pods with containers that are processes of a Windows host."""
    whole = _host_process(spec.get("securityContext") or {})
    count = held = 0
    for container, here in visited(spec, path):
        count += 1
        own = _host_process(container.get("securityContext") or {})
        if whole is not None and own is not None and whole != own:
            text = f"pod hostProcess value must be identical if both are specified, was {str(whole).lower()}"
            yield Cause.wrong(f"{here}.securityContext.windowsOptions.hostProcess", own, text)
        held += bool(whole if own is None else own)
    if not held:
        return
    if held != count:
        text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield Cause.wrong(path, "", text)
    if not spec.get("hostNetwork"):
        text = "hostNetwork must be true if pod contains any hostProcess containers"
        yield Cause.invalid(f"{path}.hostNetwork", "false", text)


def _host_process(context: Object) -> bool | None:
    options: Mapping[str, bool] = context.get("windowsOptions") or {}
    return options.get("hostProcess")


def host_users_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for what a pod with users of its own must not have."""
    text = "when `hostUsers` is false"
    for name, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(name):
            yield Cause.forbidden(f"{path}.{shown}", text)
    for container, here in visited(spec, path):
        if container.get("volumeDevices"):
            yield Cause.forbidden(f"{here}.volumeDevices", text)


def os_causes(spec: Object, path: str) -> Iterator[Cause]:
    """Yield a cause for what a pod has that its operating system does not allow."""
    name = spec["os"]["name"]
    if not name:
        yield Cause.required(f"{path}.os.name")
    elif name == "windows":
        yield from _not_on_windows_causes(spec, path)
    elif name == "linux":
        text = "windows options cannot be set for a linux pod"
        for holder, here in ((spec, path), *visited(spec, path)):
            if "windowsOptions" in (holder.get("securityContext") or {}):
                yield Cause.forbidden(f"{here}.securityContext.windowsOptions", text)
    else:
        yield Cause.unsupported(f"{path}.os", name, ("linux", "windows"))


def _not_on_windows_causes(spec: Object, path: str) -> Iterator[Cause]:
    text = "cannot be set for a windows pod"
    for name in _NOT_ON_WINDOWS:
        owner, _, field = name.rpartition(".")
        if field in (spec[owner] if owner else spec):
            yield Cause.forbidden(f"{path}.{name}", text)
    for container, here in visited(spec, path):
        context = container.get("securityContext") or {}
        for field in _NOT_IN_WINDOWS_CONTAINERS:
            if field in context:
                yield Cause.forbidden(f"{here}.securityContext.{field}", text)
