"""How hosts are written: words, files, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchio.errors import UsageError
from batchio.providers.hosts import Host, expand, parse_host, parse_hosts, read

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True)
USERS = st.none() | st.from_regex(r"[a-z_][a-z0-9_-]{0,8}", fullmatch=True)
LABELS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("word", "host"),
    [
        ("gpu1", Host(name="gpu1", address="gpu1")),
        ("alice@gpu1", Host(name="alice@gpu1", address="gpu1", user="alice")),
        ("gpu1:2222", Host(name="gpu1:2222", address="gpu1", port=2222)),
        (
            "alice@10.0.0.1:2222?slots=4&key=~/.ssh/lab&label=rack=3",
            Host(
                name="alice@10.0.0.1:2222",
                address="10.0.0.1",
                user="alice",
                port=2222,
                slots=4,
                key="~/.ssh/lab",
                labels=("rack=3",),
            ),
        ),
        ("fe80::1", Host(name="[fe80::1]", address="fe80::1")),
        ("[fe80::1]:22", Host(name="[fe80::1]:22", address="fe80::1", port=22)),
        ("a@b@host", Host(name="a@b@host", address="host", user="a@b")),
    ],
)
def test_a_word_is_a_host(word: str, host: Host) -> None:
    assert parse_host(word) == host


@given(
    name=NAMES,
    user=USERS,
    port=st.none() | st.integers(1, 65535),
    slots=st.none() | st.integers(1, 999),
    labels=st.lists(LABELS, max_size=3),
)
def test_a_hosts_word_reads_back_as_the_same_host(
    name: str, user: str | None, port: int | None, slots: int | None, labels: list[str]
) -> None:
    word = f"{user}@{name}" if user else name
    host = parse_host(f"{word}:{port}" if port else word)
    full = Host(
        name=host.name,
        address=host.address,
        user=user,
        port=port,
        slots=slots,
        key="~/a b,c?d&e",
        python="/opt/my py/bin/python3",
        labels=tuple(labels),
    )

    assert parse_host(full.word) == full
    assert not set(" ,\n\t") & set(full.word)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "'' is not a host"),
        ("@gpu1", "'@gpu1' is not a host"),
        ("-oProxyCommand=x", "'-oProxyCommand=x' is not a host"),
        ("a/b", "'a/b' is not a host"),
        ("[fe80::1", "'[fe80::1' is not a host"),
        ("gpu1:x", "gpu1:x: port must be a whole number from 1 to 65535, not 'x'"),
        ("gpu1:70000", "gpu1:70000: port must be a whole number from 1 to 65535, not '70000'"),
        ("gpu1?slots=0", "gpu1: slots must be a whole number above 0, not '0'"),
        ("gpu1?slot=2", "gpu1: a host has no setting 'slot'"),
        ("a@gpu1?user=b", "a@gpu1: user is listed twice"),
        ("gpu1?key=id", "gpu1: the key's path is relative: id"),
    ],
)
def test_what_is_no_host_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_host(word)
    assert str(caught.value) == message


def test_a_host_that_stands_twice_is_refused_with_both_places() -> None:
    with pytest.raises(UsageError, match="bob@GPU1 is listed twice: at host 1 and at host 3"):
        parse_hosts(["gpu1", "gpu2", "bob@GPU1"])


def test_one_machine_on_two_ports_is_two_hosts() -> None:
    assert len(parse_hosts(["gpu1", "gpu1:2222"])) == 2


LINES = """\
# the laboratory
plain                 ; as OpenSSH knows it

[gpu]
gpu1 slots=4 user=ubuntu port=2222 key=~/.ssh/lab rack=3 "two words"
alice@gpu2  # hers
"""


def test_a_file_has_one_host_a_line(tmp_path: Path) -> None:
    file = tmp_path / "hosts.ini"
    file.write_text(LINES)

    assert parse_hosts(read(file)) == [
        Host(name="plain", address="plain"),
        Host(
            name="ubuntu@gpu1:2222",
            address="gpu1",
            user="ubuntu",
            port=2222,
            slots=4,
            key="~/.ssh/lab",
            labels=("rack=3", "two words", "gpu"),
        ),
        Host(name="alice@gpu2", address="gpu2", user="alice", labels=("gpu",)),
    ]


def test_a_toml_file_has_tables(tmp_path: Path) -> None:
    file = tmp_path / "hosts.toml"
    file.write_text('[[hosts]]\nname = "gpu1"\nslots = 4\nkey = "id"\nlabels = ["rack=3"]\n')

    assert parse_hosts(read(file)) == [
        Host(name="gpu1", address="gpu1", slots=4, key=f"{tmp_path}/id", labels=("rack=3",))
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("h", "gpu1\ngpu1 slots=2\n", "gpu1 is listed twice: at {}:1 and at {}:2"),
        ("h", "gpu1 slots=many\n", "{}:1: slots must be a whole number above 0, not 'many'"),
        ("h", "a\nb slot=2\n-x\n", "{}:2: a host has no setting 'slot'\n{}:3: '-x' is not a host"),
        ("h", "# nothing\n", "{}: it contains no host"),
        ("h", "[gpu\ngpu1\n", "{}:1: '[gpu' is not a host"),
        ("h", 'gpu1 "open\n', "{}:1: no closing quotation"),
        ("h.toml", "[[hosts]]\nname = 1 2\n", "{}: not TOML: "),
        ("h.toml", "x = 1\n", "{}: no [[hosts]] tables in it"),
        ("h.toml", "[[hosts]]\nslots = 2\n", "{}:1: '' is not a host"),
        (
            "h.toml",
            '[[hosts]]\nname = "a"\n\n[[hosts]]\nname = "b"\nslots = true\n',
            "{}:4: slots must be a whole number above 0, not 'True'",
        ),
        ("h.toml", '[[hosts]]\nname = "a"\nsolts = 2\n', "{}:1: a host has no setting 'solts'"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    file = tmp_path / name
    file.write_text(text)

    with pytest.raises(UsageError) as caught:
        read(file)

    assert str(caught.value).startswith(message.format(file, file))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the hosts file: No such file"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("typed", "hosts"),
    [
        ("node[1-3]", "node1 node2 node3"),
        ("node[08-11]", "node08 node09 node10 node11"),
        ("n[1,3-4]", "n1 n3 n4"),
        ("gpu{1,2}", "gpu1 gpu2"),
        ("gpu{a,b}.lab", "gpua.lab gpub.lab"),
        ("n{1..3}", "n1 n2 n3"),
        ("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"),
        ("me@n[1-2]:22?slots=2", "me@n1:22?slots=2 me@n2:22?slots=2"),
        ("10.0.0.[7-8]", "10.0.0.7 10.0.0.8"),
        ("a,n[1,3],b", "a n1 n3 b"),
        ("{a,b},c", "a b c"),
        ("[::1]:22,fe80::1", "[::1]:22 fe80::1"),
        ("a?label=x[1,b", "a?label=x[1 b"),
    ],
)
def test_several_hosts_in_a_word_are_written_out(typed: str, hosts: str) -> None:
    assert expand(typed.split(",")) == hosts.split()


@pytest.mark.parametrize("word", ["n[3-1]", "n[1-999999999]", "n{9..1}"])
def test_a_range_that_makes_no_sense_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is not a range of hosts"):
        expand([word])


@pytest.mark.parametrize("word", ["n{1", "n{}", "a{b}"])
def test_braces_that_mean_nothing_are_no_host(word: str) -> None:
    with pytest.raises(UsageError, match="is not a host"):
        parse_hosts(expand([word]))


def test_a_line_of_a_file_may_name_several(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("[big]\nnode[1-2] slots=3 python=/opt/py/bin/python3\n")

    assert read(file) == [f"node{n}?slots=3&python=/opt/py/bin/python3&label=big" for n in (1, 2)]


@pytest.mark.parametrize("name", ["hosts.txt", "hosts.toml"])
def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path, name: str) -> None:
    text = '[[hosts]]\nname = "a"\n' if name.endswith("toml") else "a\n"
    (tmp_path / name).write_text(text, "utf-8-sig")

    assert read(tmp_path / name) == ["a"]


def test_a_relative_python_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError) as caught:
        parse_host("a?python=bin/python3")
    assert caught.value.hint == "write the full path on the host, with / at the start"
    assert parse_host("a?python=python3.12").python == "python3.12"


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("gpu1?work=scratch", "work is not an absolute path"),
        ("gpu1?work=", "work is not an absolute path"),
        ("gpu1?work=/" + "long" * 20, "work is too long"),
    ],
)
def test_a_work_folder_that_cannot_be_one_is_refused(word: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_host(word)


def test_a_work_folder_is_kept_in_the_word() -> None:
    assert parse_host(parse_host("gpu1?work=/scratch/a b").word).work == "/scratch/a b"
