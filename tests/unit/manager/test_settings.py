"""What may be set, where, and what is said of what cannot be used."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ctrlkit.cache import ForbiddenNamespaces
from ctrlkit.election import LeaseTimes
from ctrlkit.errors import ConfigError
from ctrlkit.exits import exit_status
from ctrlkit.manager import Endpoints, Settings, SettingsError
from ctrlkit.manager.settings import settings_known, tell_unknown_variables
from ctrlkit.manager.settings_sources import add_flags
from ctrlkit.telemetry import LogFormat, LogLevel


def of_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return str(path)


def refused(arguments: list[str], environ: dict[str, str] | None = None, file: str = "") -> str:
    """The error of settings that cannot be used."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(arguments, environ or {}, file)
    return str(caught.value)


@pytest.mark.behaviour("M14")
def test_nothing_set_is_the_defaults() -> None:
    """What the rows say: 30 s of grace, 120 s for caches, 15, 10 and 2 s for a lease, and no election."""
    settings = Settings.load([], {})
    assert settings == Settings()
    assert (settings.grace_s, settings.sync_timeout_s, settings.leader_elect, settings.shards) == (
        30.0,
        120.0,
        False,
        0,
    )
    assert settings.lease_times == LeaseTimes(lease_s=15.0, renew_s=10.0, retry_s=2.0)
    assert settings.endpoints == Endpoints(address="127.0.0.1:8080")


def test_arguments_come_before_the_environment_before_the_file_before_the_defaults(tmp_path: Path) -> None:
    """Each setting by itself: the others come from where they are set."""
    file = of_file(tmp_path, "grace_s: 3\nsync_timeout_s: 3\nrenew_s: 6\ncontext: from-file\n")
    environ = {"CTRLKIT_GRACE_S": "2", "CTRLKIT_SYNC_TIMEOUT_S": "2", "CTRLKIT_CONTEXT": ""}
    settings = Settings.load(["--grace-s", "1"], environ, file)
    assert (settings.grace_s, settings.sync_timeout_s, settings.renew_s, settings.retry_s) == (1.0, 2.0, 6.0, 2.0)
    assert settings.context == "from-file"  # a variable that is set to nothing is not set


def test_each_setting_is_read_from_all_three(tmp_path: Path) -> None:
    """A flag, a variable and a key for each, and the same value from all of them."""
    written = {
        "kubeconfig": ("kc", "kc"),
        "context": ("kind", "kind"),
        "namespaces": ("demo, test", ("demo", "test")),
        "forbidden_namespaces": ("skip", ForbiddenNamespaces.SKIP),
        "field_manager": ("greeting", "greeting"),
        "grace_s": ("1.5", 1.5),
        "sync_timeout_s": ("7", 7.0),
        "check_definitions": ("false", False),
        "log_format": ("json", LogFormat.JSON),
        "log_level": ("debug", LogLevel.DEBUG),
        "leader_elect": ("true", True),
        "shards": ("0", 0),
        "lease_name": ("greeter", "greeter"),
        "lease_namespace": ("demo", "demo"),
        "identity": ("me", "me"),
        "lease_s": ("60", 60.0),
        "renew_s": ("40", 40.0),
        "retry_s": ("5", 5.0),
        "endpoints_address": (":9090", ":9090"),
        "tls_cert": ("c.pem", "c.pem"),
        "tls_key": ("k.pem", "k.pem"),
        "metrics_token_file": ("token", "token"),
        "webhooks_address": (":9444", ":9444"),
        "webhooks_service": ("demo/web", "demo/web"),
        "webhooks_url": ("", ""),
        "webhooks_cert_dir": ("certs", "certs"),
        "webhooks_client_ca": ("ca.pem", "ca.pem"),
    }
    known = settings_known()
    assert list(written) == list(known)
    wanted = {name: value for name, (_text, value) in written.items()}
    texts = {name: text for name, (text, _value) in written.items()}
    flags = [f"{known[name].flag}={text}" for name, text in texts.items() if text not in ("true", "false")]
    variables = {known[name].variable: text for name, text in texts.items()}
    file = of_file(tmp_path, "\n".join(f'{name}: "{text}"' for name, text in texts.items()))
    for settings in (
        Settings.load([*flags, "--leader-elect", "--no-check-definitions"], {}),
        Settings.load([], variables),
        Settings.load([], {}, file),
        Settings.load(["--settings", file], {}),
        Settings.load([], {"CTRLKIT_SETTINGS": file}),
    ):
        assert msgspec.structs.asdict(settings) == wanted


def test_the_file_that_is_nearest_is_read(tmp_path: Path) -> None:
    """--settings before CTRLKIT_SETTINGS before the program's own."""
    files = []
    for number in (1, 2, 3):
        files.append(str(tmp_path / f"{number}.yaml"))
        Path(files[-1]).write_text(f"grace_s: {number}")
    flag, variable, own = ["--settings", files[0]], {"CTRLKIT_SETTINGS": files[1]}, files[2]
    assert Settings.load(flag, variable, own).grace_s == 1
    assert Settings.load([], variable, own).grace_s == 2
    assert Settings.load([], {}, Path(own)).grace_s == 3


def test_yaml_may_be_written_as_people_write_it(tmp_path: Path) -> None:
    """`off` is no boolean here, lists are lists, and what is left empty is not set."""
    file = of_file(
        tmp_path,
        "# how we run it\nendpoints_address: off\nnamespaces:\n- demo\n- test\nleader_elect: True\n"
        "lease_name: greeter\nidentity:\ncontext: 1.0\n",
    )
    settings = Settings.load([], {}, file)
    assert settings.endpoints is None
    assert settings.namespaces == ("demo", "test")
    assert (settings.leader_elect, settings.lease_name, settings.identity) == (True, "greeter", "")
    assert settings.context == "1.0"
    assert Settings.load([], {}, of_file(tmp_path, "")) == Settings()


def test_a_switch_can_be_turned_off_again() -> None:
    """By its flag, where the environment turned it on."""
    environ = {"CTRLKIT_LEADER_ELECT": "1", "CTRLKIT_LEASE_NAME": "greeter"}
    assert Settings.load([], environ).leader_elect
    assert not Settings.load(["--no-leader-elect"], environ).leader_elect


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        ([], {"CTRLKIT_GRACE_S": "abc"}, "CTRLKIT_GRACE_S=abc: grace_s takes seconds, 0 or more, such as 30"),
        (["--grace-s", "-1"], {}, "--grace-s -1: grace_s takes seconds, 0 or more, such as 30"),
        (["--grace-s", "nan"], {}, "--grace-s nan: grace_s takes seconds, 0 or more, such as 30"),
        (["--shards", "1.5"], {}, "--shards 1.5: shards takes a whole number, 0 or more, such as 0"),
        (
            [],
            {"CTRLKIT_LEADER_ELECT": "yes"},
            "CTRLKIT_LEADER_ELECT=yes: leader_elect takes true or false, such as false",
        ),
        (["--log-format", "xml"], {}, "--log-format xml: log_format takes one of auto, console, json, such as auto"),
        (["--nonsense"], {}, "--nonsense: there is no such flag; "),
        (["--grace", "3"], {}, "--grace: there is no such flag; did you mean --grace-s?"),
        (["greeting:build"], {}, "greeting:build: there is no such flag"),
        (["--grace-s"], {}, "--grace-s: expected one argument"),
        (
            ["--lease-s", "5"],
            {"CTRLKIT_RENEW_S": "6", "CTRLKIT_GRACE_S": "9"},
            "lease_s must be longer than renew_s, got 5 and 6; a holder has to stop before others take over "
            "[CTRLKIT_RENEW_S=6; --lease-s 5]",
        ),
        (
            ["--endpoints-address", "8080"],
            {},
            "write HOST:PORT, or :PORT for all interfaces [--endpoints-address 8080]",
        ),
        ([], {"CTRLKIT_TLS_CERT": "c"}, "name both, or neither [CTRLKIT_TLS_CERT=c]"),
        (["--leader-elect"], {}, "leader_elect is set without lease_name: name the Lease that all replicas"),
        (
            ["--leader-elect", "--lease-name", "x"],
            {"CTRLKIT_SHARDS": "4"},
            "leader_elect and shards are two ways to run several replicas; set one of them "
            "[CTRLKIT_SHARDS=4; --leader-elect; --lease-name x]",
        ),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place_and_what_would_be_right(
    arguments: list[str], environ: dict[str, str], said: str
) -> None:
    """In one line, as for all errors of configuration."""
    error = refused(arguments, environ)
    assert said in error
    assert "\n" not in error


def test_a_file_that_cannot_be_used_is_said_with_its_place(tmp_path: Path) -> None:
    """The file and the key; for a key that does not exist the one that was meant."""
    file = of_file(tmp_path, "grace_s: abc")
    assert refused([], file=file) == f"{file}: grace_s: abc: grace_s takes seconds, 0 or more, such as 30"
    file = of_file(tmp_path, "grace-s: 3")
    assert refused([], file=file) == f"{file}: grace-s: there is no such setting; did you mean grace_s?"
    file = of_file(tmp_path, "namespaces: {a: b}")
    assert refused([], file=file) == f"{file}: namespaces: a mapping: namespaces takes names with commas between them"
    assert "has no settings by name" in refused([], file=of_file(tmp_path, "- a"))
    assert "is no YAML in line 2" in refused([], file=of_file(tmp_path, "a: [\n"))
    missing = str(tmp_path / "missing.yaml")
    assert refused(["--settings", missing]).startswith(f"--settings {missing}: cannot be read: No such file")
    assert refused([], {"CTRLKIT_SETTINGS": missing}).startswith(f"CTRLKIT_SETTINGS={missing}: cannot be read")


def test_settings_made_by_hand_are_held_to_the_same_rules() -> None:
    """Those that concern several of them; it is a ConfigError, of status 2."""
    with pytest.raises(ConfigError, match="lease_s must be longer than renew_s"):
        Settings(lease_s=1.0)
    with pytest.raises(SettingsError) as caught:
        Settings(leader_elect=True)
    assert caught.value.settings == ("leader_elect", "shards", "lease_name")

    def fail() -> int:
        raise caught.value

    assert exit_status("greeter", fail) == 2


@given(
    st.floats(min_value=0, max_value=1e9),
    st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,9}[a-z0-9])?", fullmatch=True), max_size=4),
)
def test_any_value_comes_back_as_it_was_written(grace_s: float, namespaces: list[str]) -> None:
    """For any number of seconds and any names."""
    environ = {"CTRLKIT_GRACE_S": repr(grace_s), "CTRLKIT_NAMESPACES": ",".join(namespaces)}
    settings = Settings.load([], environ)
    assert (settings.grace_s, settings.namespaces) == (grace_s, tuple(namespaces))


VARIABLES = st.sampled_from([setting.variable for setting in settings_known().values()] + ["CTRLKIT_SERVICE_HOST"])


@given(st.dictionaries(VARIABLES, st.text(max_size=8), max_size=4))
def test_any_environment_is_read_or_refused_with_the_variable_named(environ: dict[str, str]) -> None:
    """For any variables: those that Kubernetes makes for a Service called ctrlkit are left alone."""
    error = ""
    try:
        Settings.load([], {"CTRLKIT_PORT": "tcp://10.0.0.1:80", **environ})
    except SettingsError as caught:
        error = str(caught)
    assert not error or any(name in error for name in environ)


def test_help_shows_each_flag_with_its_variable_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    """And ends with status 0."""
    with pytest.raises(SystemExit) as end:
        Settings.load(["--help"], {})
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for setting in settings_known().values():
        shown = f"[{setting.variable}; {setting.default}]" if setting.default else f"[{setting.variable}]"
        assert f"{setting.flag}" in text
        assert f"{setting.help} {shown}" in text


def test_a_program_with_flags_of_its_own_hands_over_what_it_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`add_flags` puts ours beside them; without arguments those of the process count."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=5)
    add_flags(parser, settings_known().values())
    parsed = parser.parse_args(["--workers", "2", "--grace-s", "4"])
    assert parsed.workers == 2
    assert Settings.load(parsed, {}) == Settings(grace_s=4.0)
    monkeypatch.setattr(sys, "argv", ["greeter", "--grace-s", "6"])
    assert Settings.load(None, {}).grace_s == 6


def test_names_that_kubernetes_does_not_take_are_refused_at_the_start() -> None:
    """Asked for, they would be refused again and again."""
    assert refused(["--namespaces", " ,"]).startswith("--namespaces  ,: namespaces names nothing; leave it out")
    assert refused(["--namespaces", "demo,Bad_One"]).startswith("'Bad_One' cannot be a namespace: ")
    lease = ["--leader-elect", "--lease-name"]
    assert refused([*lease, "Bad Name"]).startswith("'Bad Name' cannot be the lease_name: ")
    assert Settings.load([*lease, "greeter.example.com"], {}).lease_name == "greeter.example.com"


def test_namespaces_that_are_one_text_are_refused() -> None:
    """Its letters would be taken for namespaces."""
    with pytest.raises(TypeError, match=r"namespaces is the text 'demo'; write \[\"demo\"\]"):
        Settings(namespaces="demo")  # type: ignore[arg-type]


def test_a_lease_that_nobody_takes_and_too_many_shards_are_refused() -> None:
    """The error says what to add, or why there is a bound."""
    assert "add --leader-elect or --shards" in refused(["--lease-name", "x"])
    assert "shards is 1000, and at most 256: each is a Lease" in refused(["--lease-name", "x", "--shards", "1000"])


def test_a_variable_that_is_misspelt_is_told_with_the_one_that_was_meant() -> None:
    """Its value is not: it may be anything. Those that Kubernetes makes for Services are no mistakes of anybody."""
    services = {
        "CTRLKIT_SERVICE_HOST": "10.0.0.1",
        "CTRLKIT_SERVICE_PORT": "80",
        "CTRLKIT_SERVICE_PORT_METRICS": "8080",
        "CTRLKIT_PORT": "tcp://10.0.0.1:80",
        "CTRLKIT_PORT_80_TCP": "tcp://10.0.0.1:80",
        "CTRLKIT_PORT_80_TCP_ADDR": "10.0.0.1",
        "CTRLKIT_WEB_SERVICE_HOST": "10.0.0.2",
        "CTRLKIT_WEB_PORT_80_TCP_PROTO": "tcp",
    }
    environ = {
        **services,
        "CTRLKIT_LEADERELECT": "hunter2",
        "CTRLKIT_GRACE": "5",
        "CTRLKIT_SETTING": "file",
        "CTRLKIT_SETTINGS": "",
        "CTRLKIT_RETRY_S": "2",
        "CTRLKIT_BLOCK_SIZE_MB": "1",
        "CTRLKIT_OTHER_PORT": "tcp://10.0.0.3:80",
        "ctrlkit_grace_s": "5",
        "CTRLKITX": "5",
    }
    with capture_logs() as lines:
        tell_unknown_variables(environ)
    assert [(line["name"], line.get("did_you_mean")) for line in lines] == [
        ("CTRLKIT_BLOCK_SIZE_MB", None),
        ("CTRLKIT_GRACE", "CTRLKIT_GRACE_S"),
        ("CTRLKIT_LEADERELECT", "CTRLKIT_LEADER_ELECT"),
        ("CTRLKIT_OTHER_PORT", None),
        ("CTRLKIT_SETTING", "CTRLKIT_SETTINGS"),
    ]
    assert {(line["event"], line["log_level"]) for line in lines} == {("variable_ignored", "warning")}
    assert "hunter2" not in repr(lines)
