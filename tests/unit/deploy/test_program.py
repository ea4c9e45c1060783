"""What a program's author may say of it, and what is refused with a word of what to write."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ctrlkit import Settings
from ctrlkit.deploy import Program, load_program, program_of
from ctrlkit.deploy.program import seconds_to_end
from ctrlkit.errors import ConfigError
from ctrlkit.manager.endpoints.server import SHUTDOWN_S
from ctrlkit.manager.manager import FLUSH_S


def test_name_version_and_description_are_those_of_the_project(tmp_path: Path) -> None:
    """So that they stand in one place; a name is made one that objects may have."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "Cache.Operator"\nversion = "2.1"\ndescription = "Caches."\n'
        '[tool.ctrlkit]\nrun = "caches"\nreplicas = 3\n[tool.ctrlkit.settings]\nlog_level = "debug"\n'
    )
    program = load_program(tmp_path)
    assert (program.name, program.version, program.description) == ("cache-operator", "2.1", "Caches.")
    assert (program.own_namespace, program.image_name, program.arguments) == (
        "cache-operator",
        "cache-operator",
        ["run", "caches"],
    )
    assert program.settings_deployed == {
        "endpoints_address": ":8080",
        "leader_elect": True,
        "lease_name": "cache-operator",
        "log_format": "json",
        "log_level": "debug",
    }
    assert (program.loaded.leader_elect, program.loaded.log_level.value) == (True, "debug")


def test_the_words_of_a_table_come_before_those_of_the_project() -> None:
    """A project may be called otherwise than its program."""
    document = {"project": {"name": "tools", "version": "1"}, "tool": {"ctrlkit": {"name": "cache", "version": "9"}}}
    assert program_of(document) == Program(name="cache", version="9")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"rum": "caches"}, "there is no key rum; did you mean run"),
        ({"replicas": "two"}, r"\[tool.ctrlkit\]: replicas cannot be 'two'; write a whole number"),
        ({"args": "run"}, "args cannot be 'run'; write a list"),
        ({"modules": [1]}, r"modules\[0\] cannot be what it is; write a text in quotes"),
        ({"name": "Cache"}, "its name cannot be 'Cache'"),
        ({"name": "c" * 41}, "at most 40"),
        ({"namespace": "a.b"}, "its namespace cannot be 'a.b'"),
        ({"image": "registry/cache:1"}, "without a tag"),
        ({"image": "Cache"}, "its image cannot be"),
        ({"version": "1+local"}, "cannot be an image's tag"),
        ({"version": "1" * 64}, "at most 63"),
        ({"settings": {"webhooks_address": "localhost:9443"}}, "servers call it"),
        ({"user": 0}, "0 is root"),
        ({"settings": {"log_levl": "debug"}}, "there is no setting log_levl; did you mean log_level"),
        ({"settings": {"grace_s": "long"}}, r"cache: grace_s in \[tool.ctrlkit.settings\]: grace_s takes seconds"),
        ({"settings": {"leader_elect": False}}, "2 replicas would all do the same work"),
        ({"settings": {"endpoints_address": "off"}}, "probes ask"),
        ({"settings": {"endpoints_address": "127.0.0.1:8080"}}, "probes ask"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(table: dict[str, Any], said: str) -> None:
    """With what would be right."""
    with pytest.raises(ConfigError, match=said):
        program_of({"project": {"name": "cache"}, "tool": {"ctrlkit": table}})


def test_a_program_without_a_name_and_a_file_that_is_no_toml_are_refused(tmp_path: Path) -> None:
    """Both name the file."""
    with pytest.raises(ConfigError, match=r'pyproject.toml.*write name = "..."'):
        program_of({})
    with pytest.raises(ConfigError, match="read the program from"):
        load_program(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[")
    with pytest.raises(ConfigError, match="read the program from"):
        load_program(tmp_path)


def test_shards_are_another_way_to_share_the_work() -> None:
    """Then no leader is elected."""
    program = Program(name="cache", settings={"shards": 8})
    assert (program.loaded.shards, program.loaded.leader_elect) == (8, False)


def test_a_pod_is_given_the_time_that_an_orderly_end_takes() -> None:
    """Running reconciles, the last Events, the Lease, the Event about it, and open connections."""
    settings = Settings(grace_s=100, renew_s=10)
    assert seconds_to_end(settings) > settings.grace_s + FLUSH_S + settings.renew_s + FLUSH_S + SHUTDOWN_S


def test_a_version_that_is_computed_is_that_of_the_installed_project() -> None:
    """Where it is not installed nobody guesses."""
    table: dict[str, Any] = {"tool": {"ctrlkit": {}}}
    program = program_of({"project": {"name": "ctrlkit", "dynamic": ["version"]}, **table})
    assert program.version == metadata.version("ctrlkit")
    with pytest.raises(ConfigError, match=r"not installed; install it, or write version in \[tool.ctrlkit\]"):
        program_of({"project": {"name": "nowhere-to-be-found", "dynamic": ["version"]}, **table})
