"""A figure, and the frame of a chart: plot area, grid, axes, legend.

A chart is put together as text: `Plot` knows where the plot area is and maps values to coordinates in it; marks are drawn in
these coordinates and handed to `Plot.figure`. Marks live in an inner `<svg class="view">`, which clips them and which the
page's script stretches when a reader zooms into a span of time.
"""

from __future__ import annotations

import math
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from fluxplug.report import style
from fluxplug.report.markup import clean, el, esc, num
from fluxplug.report.scale import SAME, Bend, Scale, Tick, apart, span, time_ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from fluxplug.report.packing import Window
    from fluxplug.report.series import Steps

FULL, HALF = 960, 472
_LEFT, _RIGHT, _BOTTOM = 68, 14, 40

# Where a figure takes its detail.
_DETAIL = "<!--detail-->"

#: How many characters of a foreign name a figure shows.
NAME = 40


@frozen
class Caption:
    """The words of a figure. `name` serves as a file name and as an id; `note` says in a sentence or two how to read it."""

    name: str
    title: str
    note: str


@frozen
class Figure:
    """A drawing: markup in a box of `width` by `height`, and its words."""

    caption: Caption
    width: float
    height: float
    body: str
    policy: int | None = None  # the policy of the report that it shows; None: all of them
    detail: str = ""  # what a page shows in place of `.far` when it is zoomed into; has its place in `body`

    def of(self, policy: int) -> Figure:
        """The same figure, as one that shows a single policy."""
        return evolve(self, policy=policy)

    def inline(self) -> str:
        """The drawing alone, for a page that has the style sheet and shows the title itself."""
        return el(
            "svg",
            el("title", esc(self.caption.title), id=f"{self.caption.name}-t"),
            el("desc", esc(self.caption.note), id=f"{self.caption.name}-d"),
            self.body.replace(_DETAIL, self.detail),
            class_="fp",
            viewBox=f"0 0 {num(self.width)} {num(self.height)}",
            role="img",
            aria_labelledby=f"{self.caption.name}-t {self.caption.name}-d",
        )

    def alone(self) -> str:
        """A document of its own: with its title, its style sheet and a background."""
        return document([self], self.caption.title)

    def words(self) -> list[str]:
        """The note in lines of the figure's width."""
        return textwrap.wrap(clean(self.caption.note), int(self.width / 5.6))  # about what a small letter takes

    def titled(self, lines: int) -> str:
        """The body below its title and `lines` of note, `heading(lines)` high."""
        parts = [el("text", esc(self.caption.title, 120), class_="title", x=2, y=18)]
        parts += [el("text", esc(line), class_="small", x=2, y=34 + 14 * i) for i, line in enumerate(self.words())]
        body = self.body.replace(_DETAIL, "")
        return "".join(parts) + el("g", body, transform=f"translate(0,{heading(lines)})")


def heading(lines: int) -> int:
    """The height of a title and of `lines` of note below it."""
    return 30 + 14 * lines


def document(figures: Sequence[Figure], title: str, *, headed: bool = False) -> str:
    """One SVG document with the figures one below the other, those of half width in pairs, on a background.

    `title` names the document; if it is `headed`, it is drawn at the top as well.
    """
    pad, gap = 20, 26
    wide = max((f.width for f in figures), default=FULL) if len(figures) == 1 else FULL
    y = pad
    parts = []
    if headed:
        parts.append(el("text", esc(title, 90), class_="title heading", x=pad + 2, y=y + 18))
        y += 44
    for row in _rows(figures):
        lines = max(len(figure.words()) for figure in row)
        for k, figure in enumerate(row):
            at = f"translate({num(pad + k * (FULL - HALF))},{num(y)})"
            parts.append(el("g", figure.titled(lines), transform=at))
        y += math.ceil(max(f.height for f in row)) + heading(lines) + gap
    width, height = wide + 2 * pad, y - gap + pad
    svg = el(
        "svg",
        el("title", esc(title), id="title"),
        el("desc", esc(" ".join(f"{f.caption.title}: {f.caption.note}" for f in figures)), id="desc"),
        el("style", style.SHEET),
        el("rect", class_="paper", width=width, height=height),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        class_="fp",
        width=width,
        height=height,
        viewBox=f"0 0 {num(width)} {num(height)}",
        role="img",
        aria_labelledby="title desc",
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n'


def _rows(figures: Sequence[Figure]) -> list[list[Figure]]:
    rows: list[list[Figure]] = []
    for figure in figures:
        if figure.width <= HALF and rows and len(rows[-1]) == 1 and rows[-1][0].width <= HALF:
            rows[-1].append(figure)
        else:
            rows.append([figure])
    return rows


@frozen
class Axis:
    """One axis: what it measures (with the unit), its ends, its ticks, and how it is bent."""

    label: str
    lo: float
    hi: float
    ticks: Sequence[Tick]
    bend: Bend = SAME

    @classmethod
    def time(cls, window: Window) -> Axis:
        """The time axis that all figures over the same window share."""
        return cls("time in the log", window.lo, window.hi, time_ticks(window.lo, window.hi))


@frozen
class Legend:
    """Markup above a plot, and how high it is."""

    body: str = ""
    height: float = 0


class Plot:
    """The frame of a chart: `width` over all, its plot area `height` high, with as much above and below as its words need.

    A tick whose text has two lines is written in two. `x`, `y` map values to the coordinates of the marks.
    """

    def __init__(self, width: float, height: float, x: Axis, y: Axis, legend: Legend | None = None) -> None:
        self.width = width
        self._axes = (x, y)
        self._legend = legend or Legend()
        self._second = 14 if any("\n" in text for _, text in x.ticks) else 0
        self._top = self._legend.height + 8
        self.inner_width = width - _LEFT - _RIGHT
        self.inner_height = height
        self.x = Scale(x.lo, x.hi, 0, self.inner_width, x.bend)
        self.y = Scale(y.lo, y.hi, self.inner_height, 0, y.bend)

    def figure(self, caption: Caption, marks: Iterable[str]) -> Figure:
        """The chart with its marks."""
        return self._finish(caption, "".join(marks), "plot", {})

    def over_time(
        self, caption: Caption, marks: Iterable[str], tips: Iterable[str], close: Iterable[str] = ()
    ) -> Figure:
        """The chart of a time axis, into which the page's script may zoom; then it shows `close` instead of `marks`."""
        detail = "".join(close)
        shown = el("g", *marks, class_="far") + _DETAIL if detail else "".join(marks)
        x = self._axes[0]
        ends = {"data_lo": repr(float(x.lo)), "data_hi": repr(float(x.hi))}
        figure = self._finish(caption, shown + "".join(tips), "zooms", ends)
        return evolve(figure, detail=el("g", detail, class_="close") if detail else "")

    def _finish(self, caption: Caption, marks: str, kind: str, data: Mapping[str, str]) -> Figure:
        w, h = self.inner_width, self.inner_height
        x, y = self._axes
        body = el(
            "g",
            el("rect", class_="well", width=w, height=h),
            *(self._across(v, text) for v, text in apart(y.ticks, self.y, 14)),
            el("g", *(self._down(v, text) for v, text in apart(x.ticks, self.x, 30)), class_="ticks"),
            el(
                "svg",
                marks,
                class_="view",
                width=w,
                height=h,
                viewBox=f"0 0 {num(w)} {num(h)}",
                preserveAspectRatio="none",
            ),
            el("path", class_="axis", d=f"M0 {num(h)}h{num(w)}"),
            el("text", esc(x.label), class_="small", x=w / 2, y=h + 35 + self._second, text_anchor="middle"),
            el(
                "text",
                esc(y.label),
                class_="small",
                transform=f"translate(-56,{num(h / 2)})rotate(-90)",
                text_anchor="middle",
            ),
            class_=kind,
            transform=f"translate({_LEFT},{num(self._top)})",
            **data,
        )
        height = self._top + h + _BOTTOM + self._second
        return Figure(caption, self.width, height, self._legend.body + body)

    def _across(self, value: float, text: str) -> str:
        y = self.y(value)
        line = el("path", class_="grid", d=f"M0 {num(y)}h{num(self.inner_width)}")
        return line + el("text", esc(text), x=-8, y=y + 4, text_anchor="end")

    def _down(self, value: float, text: str) -> str:
        x, h = self.x(value), self.inner_height
        first, _, second = text.partition("\n")
        parts = [
            el("path", class_="grid", d=f"M{num(x)} 0v{num(h)}"),
            el("text", esc(first), x=x, y=h + 17, text_anchor="middle"),
        ]
        if second:
            parts.append(el("text", esc(second), class_="small faint", x=x, y=h + 31, text_anchor="middle"))
        return "".join(parts)


@frozen
class Key:
    """An entry of a legend: a swatch, which is markup 12 high and `wide`, and words, which are not markup."""

    words: str
    swatch: str = ""
    wide: float = 0
    kind: str = ""  # a class, for entries that a page can hide


def legend(keys: Sequence[Key], width: float) -> Legend:
    """The keys in as many rows as they need."""
    parts = []
    x, y = float(_LEFT), 2.0
    for key in keys:
        shown = clean(key.words, NAME)
        at = key.wide + 6 if key.wide else 0
        needs = at + 6.3 * len(shown)  # about what the letters of most fonts take
        if x + needs > width and x > _LEFT:
            x, y = float(_LEFT), y + 18
        text = el("text", esc(shown), x=at, y=10)
        parts.append(el("g", key.swatch, text, class_=key.kind or "key", transform=f"translate({num(x)},{num(y)})"))
        x += needs + 16
    return Legend("".join(parts), y + 18) if parts else Legend()


def policy_legend(names: Sequence[str], width: float, *, dots: bool = False) -> Legend:
    """The legend of the policies' lines, or dots."""
    keys = []
    for i, name in enumerate(names):
        swatch = el("circle", class_=style.fill(i), cx=6, cy=6, r=4) if dots else sample(i)
        keys.append(Key(name, swatch, 12 if dots else 22, f"p{i}"))
    return legend(keys, width)


def sample(policy: int) -> str:
    """A piece of a policy's line, 22 by 12."""
    return el("path", class_=f"line {style.line(policy)}", stroke_dasharray=style.dash(policy), d="M0 6h22")


def stairs(edges: Sequence[float], values: Sequence[float], *, close: float | None = None) -> str:
    """Path data of a step function: `values[i]` holds from `edges[i]` to `edges[i + 1]`; `close` gives a baseline to fill to.

    Steps that cannot be seen (the same height when rounded) are left out.
    """
    if not values:
        return ""
    start = num(edges[0])
    parts = [f"M{start} {num(values[0])}" if close is None else f"M{start} {num(close)}V{num(values[0])}"]
    last = num(values[0])
    for edge, value in zip(edges[1:], values[1:], strict=False):
        text = num(value)
        if text != last:
            parts.append(f"H{num(edge)}V{text}")
            last = text
    parts.append(f"H{num(edges[len(values)])}")
    if close is not None:
        parts.append(f"V{num(close)}Z")
    return "".join(parts)


def hits(plot: Plot, lines: Sequence[tuple[str, Steps]], words: Callable[[float], str]) -> Iterator[str]:
    """Invisible columns over a plot with a time axis, whose titles tell the value of each line there.

    The lines have the same edges, which are the columns'.
    """
    if not lines:
        return
    edges = lines[0][1][0]
    for k, (start, until) in enumerate(pairwise(edges)):
        left, right = plot.x(start), plot.x(until)
        told = "\n".join(f"{clean(name, NAME)}: {words(values[k])}" for name, (_, values) in lines)
        text = el("title", esc(f"{span(start)} to {span(until)}\n{told}"))
        yield el("rect", text, class_="hit", x=left, width=right - left, height=plot.inner_height)
