"""The table of options as Markdown, for docs/submit.md: `python -m fluxplug.cli.submission.page docs/submit.md` writes it between the marks.

A test compares the two, so that the page cannot lag behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fluxplug.cli.submission.options import COMMANDS, DESCRIPTIONS, GROUPS, TABLE, Option
from fluxplug.cli.submission.parser import short_first
from fluxplug.cli.submission.values import READERS

BEGIN = "<!-- options: written by python -m fluxplug.cli.submission.page -->"
END = "<!-- end of options -->"


def options() -> str:
    """All of it: the commands, then the options by group."""
    lines = ["| command | |", "|---|---|"]
    lines += [
        f"| `fluxplug {prog} [OPTION...] {_cell(usage)}` | {_cell(DESCRIPTIONS[prog])} |"
        for prog, usage in COMMANDS.items()
    ]
    for title in GROUPS:
        rows = [one for one in TABLE if one.group == title and not one.hidden]
        progs = sorted({prog for one in rows for prog in one.progs}, key=list(COMMANDS).index)
        lines += ["", f"### {title}", "", f"Of {_listed(progs)}.", "", "| option | | default |", "|---|---|---|"]
        lines += [_row(one, progs) for one in rows]
    return "\n".join(lines) + "\n"


def _row(one: Option, progs: list[str]) -> str:
    value = f"[={one.metavar}]" if one.bare is not None else f"={one.metavar}" if one.metavar else ""
    names = ", ".join(f"`{_cell(flag)}`" for flag in [*short_first(one.flags)[:-1], short_first(one.flags)[-1] + value])
    notes = [one.help + (f", in {one.unit}" if one.unit else "")]
    if one.kind and one.kind not in ("name", "path"):
        notes.append(f"accepts {READERS[one.kind][1]}")
    if one.repeat:
        notes.append("may be repeated")
    if list(one.progs) != progs and set(one.progs) != set(progs):
        notes.append(f"only {_listed([prog for prog in COMMANDS if prog in one.progs])}")
    return f"| {names} | {_cell('; '.join(notes))} | {_cell(one.default)} |"


def _listed(progs: list[str]) -> str:
    return "all five" if len(progs) == len(COMMANDS) else " and ".join(filter(None, [", ".join(progs[:-1]), progs[-1]]))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def rewrite(text: str) -> str:
    """A page with what is between its marks written anew. Raises ValueError where it has no marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{options()}{END}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(rewrite(page.read_text(encoding="utf-8")), encoding="utf-8")
