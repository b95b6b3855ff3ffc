"""The report as SVG: one file with all figures, or a folder with a file a figure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fluxplug.report import figures
from fluxplug.report.base import Report, write_text
from fluxplug.report.chart import document
from fluxplug.sim.metrics import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fluxplug.sim.schedule import Schedule


class SvgReport(Report):
    """Figures as SVG. A path that ends in `.svg` becomes one file with all of them; any other path is a folder (made if it is not
    there) that gets `summary.svg`, `nodes-1-POLICY.svg`, `utilisation.svg` and so on. Other files in it are left alone.

    The files carry their style sheet, light and dark, and need nothing else. `title` heads the one file; `details` are not drawn.
    """

    name: ClassVar[str] = "svg"
    extensions: ClassVar[tuple[str, ...]] = (".svg", "/")

    def write(
        self, path: str | os.PathLike[str], schedules: Sequence[Schedule], title: str, details: Mapping[str, str]
    ) -> None:
        """See `Report.write`. In a folder each file is written whole or not at all, one after the other."""
        del details
        table = figures.table([metrics(s) for s in schedules], figures.names(schedules))
        drawn = [table, *(figure for section in figures.every(schedules) for figure in section.figures)]
        if os.fspath(path).lower().endswith(".svg"):
            write_text(path, document(drawn, title, headed=True))
            return
        folder = Path(path)
        folder.mkdir(exist_ok=True)
        for figure in drawn:
            write_text(folder / f"{figure.caption.name}.svg", figure.alone())
