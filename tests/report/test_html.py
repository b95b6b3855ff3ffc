from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from fluxplug.report.html import HtmlReport, page
from fluxplug.sim.metrics import metrics

VOID = {"meta", "input", "br", "hr", "img", "link"}


class Reader(HTMLParser):
    """Reads a page: every element must be closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.rows, self.text = [], [], [], [], {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.text[self.open[-1]] = self.text.get(self.open[-1], "") + data
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def pair(schedule):
    """Two policies on two nodes."""
    late = schedule(
        [(0, 0, 100, 2, "0-1"), (0, 150, 250, 1, "0"), (0, 250, 300, 2, "0-1", "timeout")], "fcfs", 2, 2, jobs=3
    )
    soon = schedule(
        [(0, 0, 100, 2, "0-1"), (0, 100, 200, 1, "0"), (0, 200, 250, 2, "0-1", "timeout")], "easy", 2, 2, jobs=3
    )
    return [late, soon]


def test_a_page_has_headline_numbers_figures_notes_and_particulars(pair):
    read = Reader(page(pair, "A title", {"log": "kth.swf", "machine": "2 nodes"}))
    assert read.text["h1"] == "A title"
    assert ["", "fcfs", "easy"] in read.rows
    assert ["Wait, longest", "4 min 10 s", "3 min 20 s (best)"] in read.rows
    assert ["jobs read from the log", "3"] in read.rows
    assert "kth.swf" in read.text["dd"]
    assert len([1 for tag, _ in read.tags if tag == "figure"]) == 2 + 6
    assert len(read.ids) == len(set(read.ids))


def test_notes_that_differ_have_a_column_a_policy(pair):
    pair[1].notes["refused: too wide"] = 7
    read = Reader(page(pair, "", {}))
    assert ["refused: too wide", "\N{EN DASH}", "7"] in read.rows


def test_notes_without_end_are_cut(pair):
    pair[0].notes.update({f"refused: reason {k:04}": 1 for k in range(500)})
    assert ["… and 451 more", "", ""] in Reader(page(pair, "", {})).rows


def test_nothing_comes_from_elsewhere(pair):
    text = page(pair, "t", {})
    assert set(re.findall(r"https?://[^\"' )]*", text)) == {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r"url\(.", text)) <= {"url(#"}
    assert "@import" not in text
    for tag, attributes in Reader(text).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "href", "xlink:href", "srcset", "action"} & set(attributes)


def test_foreign_text_stays_text(pair, hostile):
    for s in pair:
        s.policy = hostile
        s.queue[:] = [hostile] * len(s)
        s.notes[hostile] = 1
    text = page(pair, hostile, {hostile: hostile})
    text.encode()
    read = Reader(text)
    assert len([1 for tag, _ in read.tags if tag == "script"]) == 1
    assert text.count("<script") == 1
    assert not [key for _, attributes in read.tags for key in attributes if key.startswith("on")]
    assert "\x00" not in text
    assert "\u202e" not in text


def test_headings_name_every_policy_once_and_can_be_hidden(pair):
    text = page(pair, "t", {})
    assert text.count('type="checkbox"') == 2
    assert "body:has(#show1:not(:checked)) .p1{display:none}" in text
    assert 'type="checkbox"' not in page(pair[:1], "t", {})


@pytest.mark.parametrize(
    "rows", [[], [(0, 0, 1, 1)], [(5, None, None, 1, "", "pending")], [(5, None, None, 99, "", "refused")]]
)
def test_little_to_show(schedule, rows):
    Reader(page([schedule(rows)], "little", {}))
    Reader(page([schedule(rows), schedule(rows)], "little", {}))


def test_no_schedules():
    assert "No schedules." in page([], "nothing", {})
    Reader(page([], "nothing", {"log": "none"}))


def test_the_page_of_a_large_log_is_small(large):
    assert len(page([large(30_000, policy=p) for p in "ab"], "large", {})) < 3_000_000


def test_numbers_are_those_of_the_metrics(pair):
    read = Reader(page(pair, "t", {}))
    exact = {attributes["title"] for tag, attributes in read.tags if tag == "td" and "title" in attributes}
    for s in pair:
        figures = metrics(s)
        assert f"{figures['wait_s']['mean']:.15g}" in exact
        assert f"{figures['utilisation']:.15g}" in exact


SCRIPT = """
import sys
from fluxplug.report.html import page
from fluxplug.sim.schedule import Schedule
s = Schedule("easy", 4, 4, down=[(1, 5.0, 9.0), (2, 5.0, 9.0)], notes={"b": 1, "a": 2})
for i in range(9):
    s.job.append(i); s.submit.append(i); s.start.append(i * 10); s.end.append(i * 10 + 10); s.width.append(1 + i % 4)
    s.limit.append(0); s.outcome.append("failed" if i % 2 else "timeout"); s.queue.append("q")
    s.ranks.append("0-%d" % (i % 4) if i % 4 else "0")
sys.stdout.buffer.write(page([s, s], "t", {"k": "v"}).encode())
"""


def test_same_input_same_bytes():
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    assert len(runs[0]) > 10_000


def test_the_report_writes_the_page(pair, tmp_path):
    target = tmp_path / "out.html"
    HtmlReport().write(target, pair, "A title", {"log": "x"})
    assert target.read_text(encoding="utf-8") == page(pair, "A title", {"log": "x"})
    assert (HtmlReport.name, HtmlReport.extensions) == ("html", (".html", ".htm"))
