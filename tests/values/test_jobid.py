"""Job ids: recorded vectors in all eight forms, the generator's promises, and texts of every kind."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxplug.errors import ParseError
from fluxplug.values import jobid as module
from fluxplug.values.jobid import ENCODINGS, FluidGenerator, JobID, id_encode, id_parse

# Recorded rows that we do not follow: text -> why. We reject each of them.
DEFECTS = {
    "fjpXCZedGfVR": "2**64 wraps to 0 in the original (formats.md section 4)",
}

ids = st.integers(0, 2**64 - 1)


@pytest.fixture(autouse=True)
def utf8_locale(monkeypatch):
    monkeypatch.setattr(module, "_locale_is_utf8", lambda: True)
    monkeypatch.delenv("FLUX_F58_FORCE_ASCII", raising=False)


def test_encoding_vectors(vectors):
    for row in vectors("fluid")["encodings"]:
        jobid = JobID(int(row["dec"]))
        for encoding in ENCODINGS:
            assert jobid.encode(encoding) == getattr(jobid, encoding) == row[encoding]
            assert JobID(row[encoding]) == jobid
        assert (jobid.timestamp_ms, jobid.generator, jobid.sequence) == (
            row["timestamp_ms"],
            row["generator"],
            row["sequence"],
        )


def test_parse_vectors(vectors):
    rows = vectors("fluid")["parse"]
    assert DEFECTS.keys() <= {row["in"] for row in rows}
    for row in rows:
        text = row["in"]
        if row["ok"] and text not in DEFECTS:
            assert id_parse(text) == int(row["dec"])
        else:
            with pytest.raises(ParseError):
                JobID(text)


def test_tables_match_the_recorded_ones(vectors):
    assert list(module.EMOJI) == vectors("emoji576")
    assert module.WORDS.split() == vectors("mnemonic_words")["words"]


def test_jobid_is_an_integer_that_prints_as_f58():
    jobid = JobID("fuZZybuNNy")
    assert jobid == 6731191091817518
    assert str(jobid) == f"{jobid}" == "ƒuZZybuNNy"
    assert repr(jobid) == "JobID(6731191091817518)"
    assert jobid.orig == JobID(jobid).orig == "fuZZybuNNy"
    assert JobID(5).orig == "5"
    assert {jobid: 1}[int(jobid)] == 1
    for twin in (copy.deepcopy(jobid), pickle.loads(pickle.dumps(jobid))):  # noqa: S301 - our own bytes
        assert twin == jobid
        assert twin.orig == jobid.orig


def test_f58_in_ascii(monkeypatch):
    monkeypatch.setenv("FLUX_F58_FORCE_ASCII", "1")
    assert id_encode(1234) == "fNH"
    monkeypatch.delenv("FLUX_F58_FORCE_ASCII")
    monkeypatch.setattr(module, "_locale_is_utf8", lambda: False)
    assert str(JobID(1234)) == "fNH"


def test_what_cannot_be_encoded():
    for number in (-1, 2**64):
        with pytest.raises(OverflowError):
            JobID(number).encode()
    with pytest.raises(OSError, match="known are dec") as caught:
        id_encode(1, "base64")
    assert caught.value.errno == errno.EPROTO
    with pytest.raises(TypeError):
        JobID(None)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("  ", 2),
        (" 12x", 3),
        ("0xg", 2),
        (" f10", 3),
        ("f", 1),
        ("job.0.0.0.g", 10),
        ("0.0.12345.0", 4),
        ("0.0.0", 0),
        ("academy-academy-zzz--academy-academy-academy", 16),
        ("academy-academy-academy--academy-academy-ego", 41),
        ("academy-academy-academy--academy-academy-amen", 25),
        ("academy-academy", 0),
        ("academy--academy", 0),
        ("9" * 9000, 0),
        ("0x" + "f" * 17, 0),
        ("\u0661", 0),
        ("😃🦄", 1),
    ],
)
def test_error_positions(text, position):
    with pytest.raises(ParseError) as caught:
        id_parse(text)
    assert caught.value.position == position


@given(ids, st.sampled_from(ENCODINGS))
@example(0, "f58")
@example(2**64 - 1, "words")
def test_encode_then_parse(number, encoding):
    assert id_parse(id_encode(number, encoding)) == number


@given(
    st.text(alphabet="f\u0192" + "0123xabcdeg.-😃🚹 \t", max_size=20)
    | st.text(max_size=20)
    | st.lists(st.sampled_from(["academy", "verbal", "natural", "amen", "ego"]), max_size=7).map("-".join)
)
def test_any_text_is_an_id_or_an_error(text):
    try:
        number = id_parse(text)
    except ParseError as error:
        position = error.position
    else:
        position = 0
        assert 0 <= number < 2**64
    assert 0 <= position <= len(text)


@given(st.lists(st.integers(0, 2**39), min_size=1, max_size=30), ids.filter(lambda number: number < 2**63))
def test_generated_ids_ascend_whatever_the_clock_does(times, after):
    clock = iter(times)
    generator = FluidGenerator(77, lambda: next(clock), after=after)
    made = [generator.next() for _ in times]
    assert all(earlier < later for earlier, later in zip([after, *made], made, strict=False))
    assert {jobid.generator for jobid in made} == {77}


def test_generator_follows_the_clock_and_runs_ahead_of_it_when_it_must():
    now = [5000]
    generator = FluidGenerator(3, lambda: now[0])
    made = [generator.next() for _ in range(1025)]
    assert [(i.timestamp_ms, i.sequence) for i in (made[0], made[7], made[1023], made[1024])] == [
        (5000, 0),
        (5000, 7),
        (5000, 1023),
        (5001, 0),
    ]
    assert made[7] == 83886083079
    now[0] = 4000
    assert generator.next().timestamp_ms == 5001
    now[0] = 6000
    assert (generator.next().timestamp_ms, FluidGenerator(0, lambda: 0).next()) == (6000, 0)


def test_generator_limits():
    for bad in (-1, 2**14):
        with pytest.raises(ValueError, match="generator id"):
            FluidGenerator(bad, lambda: 0)
    with pytest.raises(OverflowError):
        FluidGenerator(0, lambda: 2**40).next()
