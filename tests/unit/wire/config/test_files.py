"""Several kubeconfigs as one, and what no file may do."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ctrlkit.errors import ConfigError
from ctrlkit.wire.config.entries import Cluster, Context, User
from ctrlkit.wire.config.files import Kubeconfig, KubeconfigPaths, read_kubeconfig
from ctrlkit.wire.secrets import Pem, Secret

NAMES = st.sampled_from(["a", "b", "c"])
FILES = st.builds(
    Kubeconfig,
    files=st.tuples(st.text(max_size=3)),
    current_context=st.sampled_from(["", "a", "b"]),
    contexts=st.dictionaries(NAMES, st.builds(Context, cluster=NAMES)),
    clusters=st.dictionaries(NAMES, st.builds(Cluster, tls_server_name=NAMES)),
    users=st.dictionaries(NAMES, st.builds(User, username=NAMES)),
)


@given(st.lists(FILES, max_size=4))
def test_for_any_files_the_first_that_says_something_counts(files: list[Kubeconfig]) -> None:
    """For the current context, and for each name of each kind."""
    merged = Kubeconfig()
    for each in files:
        merged = merged.over(each)
    assert merged.current_context == next((each.current_context for each in files if each.current_context), "")
    for kind in ("contexts", "clusters", "users"):
        kinds: list[dict[str, object]] = [getattr(each, kind) for each in files]
        names = {name for entries in kinds for name in entries}
        assert getattr(merged, kind) == {
            name: next(entries[name] for entries in kinds if name in entries) for name in names
        }


@pytest.mark.parametrize(
    ("asked", "variable", "home", "paths"),
    [
        ("x", "a:b", "/h", ("x",)),
        (None, "a::b", "/h", ("a", "b")),
        (None, ":", "/h", ()),
        (None, "", "/h", ("/h/.kube/config",)),
        (None, "", "", ()),
        ("", "~/a", "/h", ("~/a",)),
    ],
)
def test_where_files_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, variable: str, home: str, paths: tuple[str, ...]
) -> None:
    """The one asked for, or the variable's, or the home folder's; without a home folder there is none."""
    monkeypatch.setenv("KUBECONFIG", variable)
    monkeypatch.setenv("HOME", home)
    assert KubeconfigPaths.find(asked).paths == paths


def test_paths_are_absolute_and_beside_the_file_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file itself was given by a relative path or is a link to elsewhere."""
    user = {"tokenFile": "../t", "client-certificate": "/c", "client-key": "k", "exec": {"command": "./x/y"}}
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text(yaml.safe_dump({"users": [{"name": "u", "user": user}]}))
    (tmp_path / "sub").mkdir()
    os.symlink(tmp_path / "real/file", tmp_path / "sub/link")
    monkeypatch.chdir(tmp_path)
    read = read_kubeconfig(KubeconfigPaths(paths=("sub/link",))).users["u"]
    assert read.exec is not None
    found = (read.token_file, read.client_certificate, read.client_key, read.exec.command)
    assert found == (f"{tmp_path}/t", "/c", f"{tmp_path}/sub/k", f"{tmp_path}/sub/x/y")


@given(
    st.sampled_from(["users: [{name: u, user: {token: %s, tokenFile: 1}}]", "users: [{token: %s", "- %s", "{a: *%s}"])
)
def test_no_fault_of_a_file_shows_what_it_holds(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Neither the error, nor a traceback that is written with local variables."""
    path = tmp_path_factory.mktemp("files") / "config"
    path.write_text(text % "s3cret")
    with pytest.raises(ConfigError) as caught:
        read_kubeconfig(KubeconfigPaths(paths=(str(path),)))
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    lines = "".join(shown.format())
    assert "ConfigError" in lines
    assert "s3cret" not in lines.replace(text % "s3cret", "").replace("% 's3cret'", "").replace('% "s3cret"', "")


def test_what_holds_a_secret_does_not_show_it() -> None:
    """Entries of a kubeconfig may stand in a log or a traceback."""
    user = User(token=Secret("s3cret"), password=Secret("s3cret"), client_key_data=Pem("s3cret"))
    assert "s3cret" not in repr(user)
