"""The report as one HTML page: headline numbers, figures, notes; nothing is loaded from anywhere.

Without scripts the page shows everything, and policies can be switched on and off; the script adds prompt tooltips and zooming
into a span of time, in all figures over time at once.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from fluxplug import __version__
from fluxplug.report import figures, style
from fluxplug.report.base import Report, write_text
from fluxplug.report.chart import sample
from fluxplug.report.markup import el, esc
from fluxplug.report.scale import number
from fluxplug.report.summary import notes, summary
from fluxplug.sim.metrics import metrics

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from fluxplug.report.chart import Figure
    from fluxplug.report.figures import Section
    from fluxplug.sim.schedule import Schedule

#: Notes may quote what a log says, and a log may say anything.
_MOST_NOTES = 50

_CONVENTIONS = (
    (
        "Wait",
        "start minus submission. Waits, slowdowns and classes are those of jobs that started and ended, however they ended.",
    ),
    (
        "Bounded slowdown",
        "(wait + run time) over run time, where a run time counts as 10 s at least, and the result as 1 at least.",
    ),
    (
        "Utilisation",
        "core time used over the core time of the whole machine, down or not, from the first submission to the last end.",
    ),
    ("Makespan", "from the first submission to the last end."),
    ("Queue length", "jobs submitted and not started; one that starts at once never counts. The mean is over time."),
    ("Percentile", "linear between the two nearest jobs; the median is the 50th."),
    ("Time in the log", "days or clock times since the log's second 0."),
    ("Zoom", "drag over a figure with a time axis; it then shows means over shorter spans than its caption says."),
    ("Best", "marked where policies differ: the least, of utilisation the most."),
)


class HtmlReport(Report):
    """A self-contained HTML page: the policies' headline numbers side by side, the figures, notes and conventions.

    It follows the reader's choice of light or dark, prints, and needs no script and no network.
    """

    name: ClassVar[str] = "html"
    extensions: ClassVar[tuple[str, ...]] = (".html", ".htm")

    def write(
        self, path: str | os.PathLike[str], schedules: Sequence[Schedule], title: str, details: Mapping[str, str]
    ) -> None:
        """See `Report.write`."""
        write_text(path, page(schedules, title, details))


def page(schedules: Sequence[Schedule], title: str, details: Mapping[str, str]) -> str:
    """The whole page as text."""
    labels = figures.names(schedules)
    found = [metrics(s) for s in schedules]
    sections = figures.every(schedules) if schedules else []
    resources = files("fluxplug.report")
    sheet = resources.joinpath("page.css").read_text(encoding="utf-8")
    script = resources.joinpath("page.js").read_text(encoding="utf-8")
    head = (
        el("meta", charset="utf-8")
        + el("meta", name="viewport", content="width=device-width, initial-scale=1")
        + el("meta", name="color-scheme", content="light dark")
        + el("meta", name="generator", content=f"fluxplug {__version__}")
        + el("title", esc(title))
        + el("style", sheet + style.SHEET + _switches(len(labels)))
    )
    body = (
        el("header", el("h1", esc(title)), el("p", esc(_subtitle(schedules))))
        + _toolbar(labels)
        + el(
            "main",
            _headline(found, labels),
            *(_section(section) for section in sections),
            _notes([s.notes for s in schedules], labels),
            _list("About this run", details.items()),
            _list("How to read the numbers", _CONVENTIONS),
        )
        + el("footer", f"fluxplug {esc(__version__)}")
        + el("script", script)
    )
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


def _subtitle(schedules: Sequence[Schedule]) -> str:
    if not schedules:
        return "No schedules."
    first = schedules[0]
    return ", ".join(
        _counted(n, word)
        for n, word in ((len(first), "job"), (first.nodes, "node"), (first.cores, "core"), (len(schedules), "policy"))
    )


def _counted(n: int, word: str) -> str:
    plural = "policies" if word == "policy" else f"{word}s"
    return f"{number(n)} {word if n == 1 else plural}"


def _switches(count: int) -> str:
    """The rules by which a policy's box hides all that is its own."""
    return "".join(f"body:has(#show{i}:not(:checked)) .p{i}{{display:none}}\n" for i in range(count))


def _toolbar(labels: Sequence[str]) -> str:
    """The switches of the policies, which are also the page's legend, and the place for the script's buttons."""
    if not labels:
        return ""
    boxes = []
    for i, label in enumerate(labels):
        key = el("svg", sample(i), class_="fp", width=22, height=12, aria_hidden="true")
        box = f'<input type="checkbox" id="show{i}" checked autocomplete="off"/>'
        boxes.append(el("label", box, key, el("span", esc(label))))
    choice = el("fieldset", el("legend", "Policies"), *boxes) if len(labels) > 1 else ""
    return el("div", choice, '<div id="zoom" hidden></div>', class_="bar")


def _headline(found: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> str:
    if not found:
        return ""
    head = el(
        "thead", el("tr", "<td></td>", *(el("th", esc(n), scope="col", class_=f"p{i}") for i, n in enumerate(labels)))
    )
    rows = []
    for row in summary(found):
        cells = []
        for i, text in enumerate(row.texts):
            best = i in row.best
            value = row.exact[i]
            words = esc(text) + ('<span class="unseen"> (best)</span>' if best else "")
            told = {} if value is None else {"title": f"{value:.15g}"}
            cells.append(el("td", el("span", words, class_="best") if best else words, class_=f"p{i}", **told))
        rows.append(el("tr", el("th", esc(row.label), scope="row"), *cells))
    table = el(
        "div", el("table", head, el("tbody", *rows)), class_="wide", tabindex="0", role="region", aria_label="Summary"
    )
    return el("section", el("h2", "Summary"), table)


def _section(section: Section) -> str:
    halves = all(f.width < 900 for f in section.figures)
    drawn = [_figure(f) for f in section.figures]
    return el("section", el("h2", esc(section.heading)), el("div", *drawn, class_="pair" if halves else "stack"))


def _figure(figure: Figure) -> str:
    words = el("figcaption", el("b", esc(figure.caption.title)), " ", esc(figure.caption.note))
    return el(
        "figure",
        words,
        el("div", figure.inline(), class_="wide"),
        class_="" if figure.policy is None else f"p{figure.policy}",
    )


def _notes(counts: Sequence[Mapping[str, int]], labels: Sequence[str]) -> str:
    """What the trace reader and the simulator counted: a column if it is the same under every policy, else one a policy."""
    rows = notes(counts)
    if not rows:
        return ""
    if len(rows) > _MOST_NOTES:
        rows[_MOST_NOTES:] = [(f"… and {len(rows) - _MOST_NOTES:,} more", ("",) * len(counts))]
    if all(len(set(texts)) == 1 for _, texts in rows):
        body = [el("tr", el("th", esc(words), scope="row"), el("td", texts[0])) for words, texts in rows]
        table = el("table", el("tbody", *body))
    else:
        head = el(
            "thead",
            el("tr", "<td></td>", *(el("th", esc(n), scope="col", class_=f"p{i}") for i, n in enumerate(labels))),
        )
        body = [
            el(
                "tr",
                el("th", esc(words), scope="row"),
                *(el("td", text, class_=f"p{i}") for i, text in enumerate(texts)),
            )
            for words, texts in rows
        ]
        table = el("table", head, el("tbody", *body))
    return el("section", el("h2", "Notes"), el("div", table, class_="wide"))


def _list(heading: str, entries: Iterable[tuple[str, str]]) -> str:
    items = [el("div", el("dt", esc(key)), el("dd", esc(value))) for key, value in entries]
    return el("section", el("h2", heading), el("dl", *items)) if items else ""
