from __future__ import annotations

import stat

import pytest

from fluxplug.report.base import Report, write_text
from fluxplug.report.svg import SvgReport


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_file_with_all_figures(parse, schedule, tmp_path):
    target = tmp_path / "out.svg"
    SvgReport().write(target, [schedule([(0, 0, 10, 1)]), schedule([(0, 1, 11, 1)], "fcfs")], "The <log>", {})
    root = parse(target.read_text(encoding="utf-8"))
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    for title in ("The <log>", "Summary", "Machine under easy", "Machine under fcfs", "Distribution of waits"):
        assert title in texts
    assert names(tmp_path) == ["out.svg"]


def test_a_folder_with_a_file_a_figure(parse, schedule, tmp_path):
    (tmp_path / "kept").touch()
    for _ in range(2):
        SvgReport().write(tmp_path, [schedule([(0, 0, 10, 1)], "Easy, with 1/2 <b>")], "t", {})
    assert names(tmp_path) == [
        "kept",
        "nodes-1-easy-with-1-2-b.svg",
        "queue.svg",
        "slowdown.svg",
        "summary.svg",
        "utilisation.svg",
        "wait-by-length.svg",
        "wait-by-width.svg",
        "wait.svg",
    ]
    for path in tmp_path.glob("*.svg"):
        parse(path.read_text(encoding="utf-8"))


def test_no_schedules(parse, tmp_path):
    SvgReport().write(tmp_path / "none.svg", [], "t", {})
    parse((tmp_path / "none.svg").read_text(encoding="utf-8"))


def test_the_same_bytes_every_time(large, tmp_path):
    for name in ("a.svg", "b.svg"):
        SvgReport().write(tmp_path / name, [large(3000, 256)], "t", {})
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_reports_are_found_by_name_and_ending():
    assert issubclass(SvgReport, Report)
    assert (SvgReport.name, SvgReport.extensions) == ("svg", (".svg", "/"))


@pytest.mark.parametrize("name", ["missing/out.svg", "missing/folder"])
def test_errors_name_the_path(schedule, tmp_path, name):
    target = tmp_path / name
    with pytest.raises(FileNotFoundError) as caught:
        SvgReport().write(target, [schedule()], "t", {})
    assert caught.value.filename == str(target)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    target = tmp_path / "out.html"
    write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "new" * 10_000 + "\ud800")
    assert target.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["out.html"]
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder") as caught:
        write_text(tmp_path / "folder", "new")
    assert caught.value.filename == str(tmp_path / "folder")
    assert names(tmp_path) == ["folder", "out.html"]


def test_files_get_the_permissions_of_any_new_file(tmp_path):
    write_text(tmp_path / "a", "text")
    (tmp_path / "b").write_text("text", encoding="utf-8")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]
    assert modes[0] == modes[1]
