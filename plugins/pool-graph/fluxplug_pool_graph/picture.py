"""A machine as a picture: nested boxes with bars of what is free, allocated, reserved and down; as SVG, or as a page around it.

Called by `fluxplug resource graph`. The same machine and use give the same bytes. Names come from documents and never become markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.report import style
from fluxplug.report.chart import FULL, Caption, Figure, Key, legend
from fluxplug.report.markup import clean, el, esc, num
from fluxplug_pool_graph import boxes as shape
from fluxplug_pool_graph.boxes import Box, arrange, boxes
from fluxplug_pool_graph.use import Amounts, Use

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Use", "draw", "page"]

#: Name -> (light, dark). The palette of Okabe and Ito: people with any kind of colour blindness can tell it apart; stripes and
#: crosses tell reserved and down without any colour.
_COLOURS = {
    "free": ("#cbe8dc", "#1e4638"),
    "allocated": ("#0072b2", "#3d9bd9"),
    "reserved": ("#e69f00", "#e69f00"),
    "down": ("#5b5b5b", "#9a9a9a"),
}
_STATES = tuple(_COLOURS)
_MARKS = ("#ffffff", "#161a20")
_EDGE = ("#8b95a1", "#67717e")
_HIGHLIGHT = ("#d4006a", "#ff6fb5")


def _sheet(theme: int) -> str:
    rules = [f".fp .{name}{{fill:{colours[theme]}}}" for name, colours in _COLOURS.items()]
    rules += [
        f".fp .mark{{stroke:{_MARKS[theme]};stroke-width:1.6;fill:none}}",
        f".fp .box{{stroke:{_EDGE[theme]};stroke-width:1}}",
        f".fp .highlight{{stroke:{_HIGHLIGHT[theme]};stroke-width:2.6}}",
    ]
    return "\n".join(rules)


_SHEET = f"{_sheet(0)}\n@media (prefers-color-scheme: dark){{\n{_sheet(1)}\n}}\n"

_PAGE = """\
:root{color-scheme:light dark}
body{margin:0 auto;max-width:1040px;padding:24px;background:#fff;color:#161b22;font:15px/1.5 system-ui,"DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){body{background:#161a20;color:#e6eaef}}
h1{font-size:24px;overflow-wrap:anywhere}
svg{width:100%;height:auto}
table{border-collapse:collapse;margin:18px 0;font-variant-numeric:tabular-nums}
th,td{padding:3px 14px 3px 0;text-align:right}
th:first-child{text-align:left}
"""


def draw(use: Use, name: str) -> Figure:
    """The picture of a machine; `name` heads it. Linear in the graph; at most some thousands of boxes are drawn."""
    roots = boxes(use)
    key = legend(_keys(use), FULL)
    height = arrange(roots, FULL)
    body = "".join(_drawn(box, 0, key.height) for box in roots)
    caption = Caption("machine", f"Resources of {clean(name, 80)}", _note(use, roots))
    defs = el("style", _SHEET) + el("defs", _pattern("reserved", "M0 0v6"), _pattern("down", "M0 3h6M3 0v6"))
    return Figure(caption, FULL, key.height + height + 4, defs + key.body + body)


def page(figure: Figure, use: Use) -> str:
    """A self-contained HTML page: the picture, whose boxes tell what they are when pointed at, and the amounts as a table."""
    head = el("tr", el("th", "type", scope="col"), *(el("th", word, scope="col") for word in ("total", *_STATES)))
    rows = [
        el(
            "tr",
            el("th", esc(kind, 60), scope="row"),
            *(el("td", f"{value:,}") for value in (amounts.total, *_values(amounts))),
        )
        for kind, amounts in sorted(use.totals().items())
    ]
    title = esc(figure.caption.title)
    return (
        "<!doctype html>\n"
        + el(
            "html",
            el(
                "head",
                el("meta", charset="utf-8"),
                el("meta", name="viewport", content="width=device-width, initial-scale=1"),
                el("meta", name="generator", content="fluxplug"),
                el("title", title),
                el("style", style.SHEET + _PAGE),
            ),
            el(
                "body",
                el("h1", title),
                el("p", esc(figure.caption.note)),
                figure.inline(),
                el("table", el("thead", head), el("tbody", *rows)),
            ),
            lang="en",
        )
        + "\n"
    )


def _keys(use: Use) -> list[Key]:
    keys = [Key(name, _swatch(name), 20) for name in _STATES]
    if use.highlighted:
        keys.append(Key("highlighted", el("rect", class_="highlight", fill="none", x=2, y=1, width=16, height=10), 20))
    return keys


def _swatch(state: str) -> str:
    return _fill(state, 0, 0, 20, 12) + el("rect", class_="box", fill="none", width=20, height=12)


def _pattern(state: str, path: str) -> str:
    return el(
        "pattern",
        el("rect", class_=state, width=6, height=6),
        el("path", class_="mark", d=path),
        id=f"machine-{state}",
        width=6,
        height=6,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )


def _fill(state: str, x: float, y: float, width: float, height: float) -> str:
    if state in ("reserved", "down"):
        fill = f"url(#machine-{state})"
        return el("rect", x=x, y=y, width=width, height=height, fill=fill, data_state=state)
    return el("rect", class_=state, x=x, y=y, width=width, height=height, data_state=state)


def _drawn(box: Box, left: float, top: float) -> str:
    """A box and those in it, at absolute coordinates: `left`, `top` is the corner of the one that it is in."""
    x, y = left + box.x, top + box.y
    parts = [el("title", esc(_words(box), 1000))]
    if box.kind == "inner":
        parts.append(el("rect", class_="box well", x=x, y=y, width=box.width, height=box.height))
        parts.append(_label(box, x + 6, y + 12))
        parts += [_drawn(child, x, y) for child in box.children]
        return el("g", *parts, class_="inner")
    high = box.height
    if box.named:
        high = 9 if box.kind == "leaf" else 12
        parts.append(el("rect", class_="box well", x=x, y=y, width=box.width, height=box.height))
        parts.append(_label(box, x + 5, y + box.height - high - 5))
    parts += _bar(box, x, y + box.height - high, high)
    frame = "highlight" if box.highlighted else "box"
    parts.append(el("rect", class_=frame, fill="none", x=x, y=y, width=box.width, height=box.height))
    return el("g", *parts, class_=box.kind)


def _label(box: Box, x: float, y: float) -> str:
    most = max(3, int((box.width - 10) / shape.LETTER))
    return el("text", esc(box.label, most), class_="small", x=x, y=y)


def _bar(box: Box, x: float, y: float, height: float) -> Iterable[str]:
    """What the bar of a box shows, from left to right: allocated, reserved, down, and the rest free."""
    amounts = box.amounts[box.measure]
    yield _fill("free", x, y, box.width, height)
    if not amounts.total:
        return
    for state in _STATES[1:]:
        width = box.width * float(getattr(amounts, state)) / amounts.total
        if width > 0:
            yield _fill(state, x, y, width, height)
            x += width


def _values(amounts: Amounts) -> list[int]:
    return [getattr(amounts, state) for state in _STATES]


def _words(box: Box) -> str:
    """What a box says when it is pointed at."""
    lines = [clean(box.names, 300)]
    for kind, amounts in sorted(box.amounts.items()):
        told = [f"{value:,} {state}" for state, value in zip(_STATES, _values(amounts), strict=True) if value]
        lines.append(f"{clean(kind, 40)}: {amounts.total:,}" + (f" ({', '.join(told)})" if told else ""))
    if box.highlighted:
        lines.append("highlighted")
    return "\n".join(lines)


def _note(use: Use, roots: list[Box]) -> str:
    """How to read it, in a sentence or two."""
    totals = use.totals()
    measure = Box("sum", "", "", "", amounts=totals).measure
    amounts = totals[measure]
    share = f" ({num(100 * amounts.free / amounts.total)} %)" if amounts.total else ""
    text = f"Free ({clean(measure, 40)}): {amounts.free:,} of {amounts.total:,}{share}."
    if any(box.kind == "sum" for box in _all(roots)):
        text += f" Small boxes sum up what is in them; each bar shows how much of it ({clean(measure, 40)}) is free."
    outside = len(use.machine.vertices) - len(use.order)
    if outside:
        text += f" Outside of the containment tree, and not drawn: {outside:,}."
    return text


def _all(several: list[Box]) -> Iterable[Box]:
    for box in several:
        yield box
        yield from _all(box.children)
