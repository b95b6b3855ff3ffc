"""The colours of the figures and the style sheet that every figure carries.

Literal colours, no CSS variables: a figure that is saved on its own must also look right in programs that know little CSS.
Policies and jobs use the palettes of Okabe and Ito (2008) and of P. Tol (SRON/EPS/TN/09-002, 2021), which people with any
kind of colour blindness can tell apart; policies differ by dashes as well. Amounts use one hue from pale to strong, reversed in
the dark; ordered classes use steps of lightness.
"""

from __future__ import annotations

#: (light, dark) of each policy; more policies start over with other dashes.
POLICIES = (
    ("#0072b2", "#5cb8f0"),
    ("#d55e00", "#ff9040"),
    ("#009e73", "#2fcf9f"),
    ("#b8558f", "#e69ac6"),
    ("#8a6d00", "#e8c33a"),
    ("#5b5b5b", "#b9b9b9"),
)
#: Dashes of the lines of policies, by number; the first is solid.
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2")

#: Jobs, by row number.
JOBS = (
    ("#77aadd", "#5f93c8"),
    ("#ee8866", "#c9704f"),
    ("#44bb99", "#3a9d81"),
    ("#eedd88", "#b9a955"),
    ("#99ddff", "#7cbfe0"),
    ("#ffaabb", "#cf8492"),
    ("#bbcc33", "#99a72b"),
    ("#c3a6d8", "#9c80b3"),
)

#: Shares of a node in use, from little to much.
RAMP = (
    ("#deebf7", "#14283d"),
    ("#c3daee", "#16395a"),
    ("#9ec9e2", "#194d7a"),
    ("#72b2d8", "#1d659f"),
    ("#4a97c9", "#2c80bf"),
    ("#2878b8", "#4f9fd8"),
    ("#135a9f", "#85c1ea"),
    ("#083a73", "#c4e3f8"),
)

#: Classes of job width, from narrow to wide: the order of viridis, whose lightness alone tells it.
WIDTHS = (
    ("#f3e14c", "#f3e14c"),
    ("#a5d64b", "#b4dd5a"),
    ("#4fc06f", "#5fca7c"),
    ("#22a08a", "#2fae97"),
    ("#2a788e", "#3b8fae"),
    ("#3e4f8a", "#5f73c0"),
    ("#46186a", "#8a5bc4"),
)

_INK = ("#3c4450", "#b9c1cc")
_STRONG = ("#161b22", "#eef2f6")
_GRID = ("#e3e7ec", "#2b323c")
_AXIS = ("#8b95a1", "#67717e")
_PAPER = ("#ffffff", "#161a20")
_WELL = ("#f6f8fa", "#1b2027")
_BAD = ("#b3261e", "#ff8a80")

_FIXED = """\
.fp{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;font-size:12px}
.fp .line{fill:none;stroke-width:1.8;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.fp .title{font-size:15px;font-weight:600}
.fp .heading{font-size:20px}
.fp .head{font-weight:600}
.fp .small{font-size:11px}
.fp .faint{fill-opacity:.75}
.fp .edge{stroke-width:.6;vector-effect:non-scaling-stroke}
.fp .grid{stroke-width:1;shape-rendering:crispEdges}
.fp .axis{stroke-width:1;shape-rendering:crispEdges}
.fp .hit{fill-opacity:0}
.fp .hit:hover{fill-opacity:.1}
.fp .span{stroke-width:5;stroke-opacity:.4}
.fp .bad{fill:none;stroke-width:2.4;vector-effect:non-scaling-stroke}
.fp .close{display:none}
.fp .crisp{shape-rendering:crispEdges}
"""


def _coloured(theme: int) -> str:
    rules = [
        f".fp text{{fill:{_INK[theme]}}}",
        f".fp .title,.fp .head,.fp .best{{fill:{_STRONG[theme]}}}",
        f".fp .grid{{stroke:{_GRID[theme]}}}",
        f".fp .axis{{stroke:{_AXIS[theme]}}}",
        f".fp .paper{{fill:{_PAPER[theme]}}}",
        f".fp .well{{fill:{_WELL[theme]}}}",
        f".fp .edge{{stroke:{_PAPER[theme]}}}",
        f".fp .hit{{fill:{_STRONG[theme]}}}",
        f".fp .hatch{{stroke:{_INK[theme]}}}",
        f".fp .hatched{{fill:{_GRID[theme]}}}",
        f".fp .bad{{stroke:{_BAD[theme]}}}",
    ]
    rules += [f".fp .l{i}{{stroke:{c[theme]}}}.fp .f{i}{{fill:{c[theme]}}}" for i, c in enumerate(POLICIES)]
    rules += [f".fp .j{i}{{fill:{c[theme]}}}" for i, c in enumerate(JOBS)]
    rules += [f".fp .w{i}{{fill:{c[theme]}}}" for i, c in enumerate(WIDTHS)]
    rules += [f".fp .r{i}{{fill:{c[theme]}}}.fp .s{i}{{stroke:{c[theme]}}}" for i, c in enumerate(RAMP, 1)]
    return "\n".join(rules)


#: The style sheet: light, and dark where the reader's system asks for it.
SHEET = f"{_FIXED}{_coloured(0)}\n@media (prefers-color-scheme: dark){{\n{_coloured(1)}\n}}\n"


def line(policy: int) -> str:
    """The class of a policy's stroke."""
    return f"l{policy % len(POLICIES)}"


def fill(policy: int) -> str:
    """The class of a policy's filled marks."""
    return f"f{policy % len(POLICIES)}"


def dash(policy: int) -> str:
    """The dashes of a policy's lines, as the value of `stroke-dasharray`; `none` is a solid line."""
    return DASHES[policy % len(DASHES)] or "none"
