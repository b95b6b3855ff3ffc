"""Hostlist: recorded vectors, the laws of the text form, and texts of every kind."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxplug.errors import ParseError
from fluxplug.values.hostlist import MAX_HOSTS, Hostlist, decode

# formats.md section 30 row 1: RFC 29 carries the zero padding of the first id over the whole list, Flux does not. The
# vectors hold what Flux does, every R in the wild was written by it, so we follow them: no row deviates.

names = st.from_regex(re.compile(r"[a-z-]{0,3}[0-9]{0,3}[a-z]?", re.ASCII), fullmatch=True).filter(bool)
hosts = st.lists(names, max_size=20)


def test_decode_vectors(vectors):
    for row in vectors("hostlist")["decode"]:
        if not row["ok"]:
            with pytest.raises(ParseError):
                decode(row["in"])
            continue
        found = decode(row["in"])
        assert len(found) == found.count() == row["count"]
        assert found.encode() == str(found) == row["encode"]
        if row["hosts"] is not None:
            assert found.expand() == list(found) == row["hosts"]


def test_find_vectors(vectors):
    for row in vectors("hostlist")["find"]:
        found = Hostlist(row["list"])
        assert (row["host"] in found) == (row["index"] >= 0)
        if row["index"] >= 0:
            assert found.find(row["host"]) == row["index"]
        else:
            with pytest.raises(FileNotFoundError):
                found.find(row["host"])


def test_delete_vectors(vectors):
    for row in vectors("hostlist")["delete"]:
        found = Hostlist(row["list"])
        assert found.delete(row["delete"]) == row["removed"]
        assert str(found) == row["result"]


def test_sort_uniq_vectors(vectors):
    for row in vectors("hostlist")["sort_uniq"]:
        found = Hostlist(row["in"])
        assert found.sort() is found
        assert str(found) == row["sort"]
        assert str(Hostlist(row["in"]).uniq()) == row["uniq"]


def test_index_vectors(vectors):
    for row in vectors("hostlist")["index"]:
        found = Hostlist(row["list"])
        if "error" not in row:
            assert found.index(row["hosts"]) == row["index"]
            continue
        with pytest.raises(FileNotFoundError) as caught:
            found.index(row["hosts"])
        assert caught.value.strerror == row["error"]
        assert found.index(row["hosts"], ignore_nomatch=True) == row["ignore_nomatch"]


def test_append_vectors(vectors):
    for row in vectors("hostlist")["append"]:
        found = Hostlist(row["list"])
        assert found.append(row["append"]) == row["added"]
        assert str(found) == row["result"]
        assert len(found) == row["count"]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("foo[1,x]", 6),
        ("a,foo[3-1]", 6),
        ("a,foo]", 5),
        ("a,foo[", 5),
        ("a]", 1),
        ("[", 0),
        ("]", 0),
        ("a[]", 2),
        ("a[1,,2]", 4),
        ("a[1, 2]", 4),
        ("h\u00e9", 1),
        ("a\x00", 1),
        (f"a[0-{MAX_HOSTS}]", 2),
        (f"a[0-{MAX_HOSTS - 1}],b", 13),
        ("a[1234567890123456789]", 2),
        ("a[0-99999999999]", 2),
        ("x[0-700000],y[0-700000]", 14),
        ("x[0-999999]" + "y" * 1000, 2),
        ("x[0-9,0-99999]" + "y" * 1000, 6),
    ],
)
def test_error_positions(text, position):
    with pytest.raises(ParseError) as caught:
        Hostlist(text)
    assert caught.value.position == position


def test_the_total_is_bounded_over_appends_too():
    found = Hostlist(f"a[1-{MAX_HOSTS}]")
    with pytest.raises(ParseError):
        found.append("b")
    with pytest.raises(ParseError):
        Hostlist(["a[1-700000]", "b[1-700000]"])
    assert len(found) == MAX_HOSTS


def test_arguments():
    assert str(Hostlist(["a[1-2]", "a3"])) == "a[1-3]"
    assert str(Hostlist(Hostlist("a[1-3]"))) == "a[1-3]"
    assert Hostlist().append("a", ["b", "c"], Hostlist("d")) == 4
    for bad in (1, None, [1], ["a", 2]):
        with pytest.raises(TypeError):
            Hostlist(bad)
    found = Hostlist("a")
    with pytest.raises(ParseError):
        found.append("b", "c[")
    assert str(found) == "a"


def test_indexing():
    found = Hostlist("n[0-9]")
    assert found[0] == "n0"
    assert found[-1] == "n9"
    assert found[2:4] == Hostlist("n[2-3]")
    assert str(found[[5, 0, -1]]) == "n[5,0,9]"
    assert found[:2] != found
    assert found != "n[0-9]"
    with pytest.raises(IndexError):
        found[10]
    with pytest.raises(IndexError):
        found[[10]]
    with pytest.raises(TypeError):
        found["1"]
    with pytest.raises(TypeError):
        hash(found)
    assert repr(found) == "Hostlist('n[0-9]')"
    assert 1 not in found


def test_lookups_follow_changes():
    found = Hostlist("n[0-3]")
    assert found.find("n3") == 3
    found.delete("n0")
    assert found.find("n3") == 2
    found.append("m1")
    assert found.find("m1") == 3
    found.sort()
    assert found.find("m1") == 0
    copy = found.copy()
    copy.append("z")
    assert "z" not in found
    with pytest.raises(FileNotFoundError, match="hosts 'x,y' not found"):
        found.index("x,m1,y")


def test_long_numbers_belong_to_the_name():
    long = ["n" + "1" * 19, "n" + "9" * 5000, "n" + "9" * 18]
    found = Hostlist(long)
    assert Hostlist(str(found)) == found
    assert str(Hostlist(["n" + "9" * 18, "n1" + "0" * 18])) == "n" + "9" * 18 + ",n1" + "0" * 18


@given(hosts)
@example(["00", "01", "2"])
@example(["a1", "a1", "a2", "a02", "a03"])
@example(["a9", "a10", "a099", "a100"])
def test_encode_then_decode(listed):
    found = Hostlist(listed)
    assert found.expand() == listed
    assert decode(found.encode()) == found


@given(hosts)
def test_sorting_keeps_the_hosts(listed):
    assert sorted(Hostlist(listed).sort()) == sorted(listed)
    unique = Hostlist(listed).uniq()
    assert set(unique) == set(listed)
    assert len(unique) == len(set(listed))
    assert unique.copy().sort() == unique


@given(hosts, hosts)
def test_delete_equals_list_remove(listed, removed):
    model = list(listed)
    count = 0
    for host in removed:
        if host in model:
            model.remove(host)
            count += 1
    found = Hostlist(listed)
    assert found.delete(removed) == count
    assert found.expand() == model
    for host in listed + removed:
        assert (host in found) == (host in model)
        if host in model:
            assert found.find(host) == model.index(host)


@given(st.text(alphabet="abz0129,-[] \n", max_size=20) | st.text(max_size=20))
def test_any_text_is_a_list_or_an_error(text):
    try:
        decode(text)
    except ParseError as error:
        position = error.position
    else:
        position = 0
    assert 0 <= position <= len(text)
