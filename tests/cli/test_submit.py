"""The submission commands against recorded command lines, and what the recordings do not have: errors, many jobs, directives, start-up."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fluxplug.cli.main import main
from fluxplug.cli.submission.options import COMMANDS, TABLE, of_prog

RECORDED = ["--dry-run", "--env=-*", "--rlimit=-*", "--cwd=/w"]
# Rows that exit with 1 in Flux and with 2 here, because one option's value is not accepted (its name is in the error).
WRONG_VALUES = {
    ("submit", "-t", "inf"): "--time-limit",
    ("submit", "-t", "x"): "--time-limit",
    ("submit", "-t", "-1"): "--time-limit",
    ("submit", "-nx"): "--ntasks",
    ("submit", "--tasks-per-node=0", "-N1"): "--tasks-per-node",
}
# Errors whose text is as in Flux, after the name of the program.
OTHER_TEXTS = {"per-task input", "unrecognized arguments", "No such file"}


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch):
    for name in ("FLUX_CLI_PLUGINPATH_OVERRIDE", "FLUX_CLI_PLUGINPATH", "FLUXPLUG_CLI_PLUGINPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", "")
    monkeypatch.setattr("fluxplug.cli.plugin_search.entry_points", list)


@pytest.fixture
def fluxplug(capsys):
    """Run a command line in this process: exit code, jobspecs printed, standard error."""

    def run(*words):
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, [json.loads(line) for line in out.splitlines()], err

    return run


@pytest.fixture
def jobspec(fluxplug):
    """The one jobspec of a command line, without environment and limits of this process."""

    def make(prog, *words):
        code, jobspecs, err = fluxplug(prog, *RECORDED, *words)
        assert (code, err) == (0, "")
        (one,) = jobspecs
        return one

    return make


def system(jobspec):
    return jobspec["attributes"]["system"]


def options(jobspec):
    return system(jobspec)["shell"]["options"]


class TestRecorded:
    def check(self, row, code, jobspecs, err):
        key = (row["cmd"], *row["args"][:-1])
        if row["jobspec"] is not None:
            assert code == row["exit"] == 0, err
            assert jobspecs[0] == row["jobspec"]
            assert len(jobspecs) == (2 if "--cc=0-1" in row["args"] else 1)
            return
        assert jobspecs == []
        assert err.startswith(f"fluxplug {row['cmd']}: ")
        assert err.count("\n") == 1
        if key in WRONG_VALUES:
            assert code == 2
            assert f"{WRONG_VALUES[key]}=" in err
            assert "expected" in err
        else:
            assert code == row["exit"]
            text = row["stderr_last"].partition("ror: ")[2] or row["stderr_last"].partition("ERROR: ")[2]
            assert text in err

    def test_in_process(self, vectors, fluxplug, tmp_path, monkeypatch):
        recorded = vectors("cli_jobspec")
        for name, text in recorded["scripts"].items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        assert {(row["cmd"], *row["args"][:-1]) for row in recorded["rows"]} >= set(WRONG_VALUES)
        for row in recorded["rows"]:
            self.check(row, *fluxplug(row["cmd"], *RECORDED, *row["args"]))

    def test_as_a_process(self, vectors, tmp_path):
        recorded = vectors("cli_jobspec")
        for name, text in recorded["scripts"].items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        for row in recorded["rows"][::9]:
            command = [sys.executable, "-m", "fluxplug", row["cmd"], *RECORDED, *row["args"]]
            done = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
            )
            self.check(row, done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)


class TestErrors:
    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["-n", "x", "a"], "--ntasks=x: expected an integer of 0 or more"),
            (["-n-1", "a"], "--ntasks=-1: expected an integer of 0 or more"),
            (["-c0", "a"], "--cores-per-task=0: expected an integer of 1 or more"),
            (
                ["-t", "5 m", "a"],
                "--time-limit=5 m: expected minutes of 0 or more, or a number with a unit: ms s m h d",
            ),
            (["--urgency=32", "a"], "--urgency=32: expected 0 to 31, hold, default or expedite"),
            (
                ["--flags=debug,x", "a"],
                "--flags=debug,x: expected one or more of debug, waitable, novalidate, separated by commas",
            ),
            (["--setopt==1", "a"], "--setopt==1: expected KEY, KEY=VALUE or ^KEY=FILE"),
            (["--cc=x", "a"], "--cc=x: expected ids such as 0-3,8"),
            (["--cc=", "a"], "--cc=: expected ids such as 0-3,8"),
            (["--job-name=", "a"], "--job-name=: expected a name, which cannot be empty"),
            (["--output=", "a"], "--output=: expected a path, which cannot be empty"),
            (["--begin-time=soon", "a"], "--begin-time=soon: expected +TIME"),
            (["--signal=NOPE", "a"], "--signal=NOPE: "),
            (["--dependency=:x", "a"], "--dependency: "),
            (["--rlimit=nope=1", "a"], "--rlimit=nope=1: Invalid rlimit"),
            (["--resources-shape=slot", "a"], "--resources-shape=slot: "),
            (["--quiet=1", "a"], "--quiet=1: expected no value"),
            (["--queue"], "--queue: expected a value, --queue=NAME"),
            (["-q"], "-q: expected a value, --queue=NAME"),
            (
                ["--time", "5", "a"],
                "unrecognized arguments: --time; did you mean --time-limit? `fluxplug submit --help` lists the options",
            ),
            (["-Z", "a"], "unrecognized arguments: -Z; "),
        ],
    )
    def test_a_wrong_value_is_one_line_and_code_2(self, words, text, fluxplug):
        code, jobspecs, err = fluxplug("submit", "--dry-run", *words)
        assert (code, jobspecs) == (2, [])
        assert err.startswith(f"fluxplug submit: {text}")
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["--cc=0", "--bcc=0", "a"], "specify only one of --cc or --bcc"),
            (["--setopt=^x=/none", "a"], "--setopt=^x=/none: "),
        ],
    )
    def test_others(self, words, text, fluxplug):
        code, _, err = fluxplug("submit", "--dry-run", *words)
        assert code in (1, 2)
        assert text in err

    @pytest.mark.parametrize(
        ("prog", "words"), [("submit", ["a"]), ("run", ["a"]), ("alloc", ["-n1"]), ("bulksubmit", ["a", ":::", "1"])]
    )
    def test_without_an_instance(self, prog, words, fluxplug, monkeypatch):
        monkeypatch.delenv("FLUXPLUG_URI", raising=False)
        monkeypatch.delenv("FLUX_URI", raising=False)
        text = "no instance to talk to: FLUXPLUG_URI is not set; `fluxplug start` starts one, --uri names another"
        assert fluxplug(prog, *words) == (1, [], f"fluxplug {prog}: {text}\n")

    def test_a_mistake_comes_before_the_missing_instance(self, fluxplug):
        assert "--ntasks=x" in fluxplug("submit", "-nx", "a")[2]


class TestWords:
    def test_options_end_at_the_first_other_word(self, jobspec):
        assert jobspec("submit", "-n", "2", "a", "--queue=q", "-x")["tasks"][0]["command"] == ["a", "--queue=q", "-x"]

    def test_a_dash_is_a_command(self, jobspec):
        assert jobspec("submit", "-", "b")["tasks"][0]["command"] == ["-", "b"]

    def test_short_options_together(self, jobspec):
        made = jobspec("submit", "-xN2", "-qbatch", "-vl", "a")
        assert made["resources"][0]["exclusive"] is True
        assert system(made)["queue"] == "batch"

    def test_values_that_look_like_options(self, jobspec):
        assert system(jobspec("submit", "--env", "-X*", "--job-name", "-n", "a"))["job"]["name"] == "-n"

    def test_no_abbreviations(self, fluxplug):
        assert fluxplug("submit", "--dry-run", "--ntask=2", "a")[0] == 2

    def test_alloc_keeps_two_dashes(self, jobspec):
        assert jobspec("alloc", "-n1", "--", "a")["tasks"][0]["command"] == ["flux", "broker", "--", "a"]


class TestOptions:
    def test_env_rules_in_order(self, jobspec):
        made = jobspec("submit", "--env=A=1", "--env=B=2", "--env-remove=A", "--env=C=$B", "a")
        assert system(made)["environment"] == {"B": "2", "C": "2"}

    def test_env_file(self, jobspec, tmp_path):
        (tmp_path / "rules").write_text("A=1\n", encoding="utf-8")
        assert system(jobspec("submit", f"--env-file={tmp_path}/rules", "a"))["environment"] == {"A": "1"}

    def test_the_whole_environment_by_default(self, fluxplug, monkeypatch):
        monkeypatch.setenv("PROBE", "1")
        (made,) = fluxplug("submit", "--dry-run", "a")[1]
        assert system(made)["environment"]["PROBE"] == "1"
        assert system(made)["cwd"] == str(Path.cwd())
        assert "nofile" in options(made)["rlimit"]

    def test_an_environment_that_is_no_text(self, tmp_path):
        env = {**os.environb, b"ODD": b"\xff"}
        done = subprocess.run(
            [sys.executable, "-m", "fluxplug", "submit", "--dry-run", "--env=-*", "--env=ODD", "true"],
            env=env,
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 1, 2)
        assert b"Traceback" not in done.stderr

    @pytest.mark.parametrize(("text", "delay"), [("+10", 10), ("+2m", 120), ("now", 0)])
    def test_begin_time_from_now(self, text, delay, jobspec):
        from fluxplug.clock import SystemClock

        (one,) = system(jobspec("submit", f"--begin-time={text}", "--dependency=afterok:f1", "a"))["dependencies"][1:]
        assert one["scheme"] == "begin-time"
        assert float(one["value"]) == pytest.approx(SystemClock().now() + delay, abs=30)

    def test_begin_time_of_day(self, jobspec):
        (one,) = system(jobspec("submit", "--begin-time=2040-01-02 03:04", "a"))["dependencies"]
        assert float(one["value"]) > 2.2e9

    def test_run_takes_task_ids_as_input(self, jobspec):
        assert "shell" not in system(jobspec("run", "--input=0-1", "a"))

    def test_flags_and_urgency_are_no_business_of_the_jobspec(self, jobspec):
        assert jobspec("submit", "--flags=debug", "--urgency=hold", "--wait", "--quiet", "a") == jobspec("submit", "a")

    def test_add_brokers(self, jobspec):
        made = jobspec("alloc", "-N1", "--add-brokers=2", "--conf=resource.exclude=5")
        assert made["tasks"][0]["count"] == {"total": 3}
        assert options(made)["taskmap"]["value"] == "[[0,1,3,1],[1,0,1,1]]"
        assert system(made)["files"]["conf.json"]["data"] == {"resource": {"exclude": "5,1-2"}}

    def test_a_terminal_makes_alloc_interactive(self, jobspec, monkeypatch):
        stdin = io.StringIO()
        stdin.isatty = lambda: True
        monkeypatch.setattr(sys, "stdin", stdin)
        assert options(jobspec("alloc", "-n1"))["pty"] == {"interactive": 1}
        assert options(jobspec("alloc", "-n1", "--bg"))["pty"] == {"capture": 1}

    def test_dump_without_a_file(self, jobspec):
        made = jobspec("alloc", "-n1", "--dump", "cmd")
        assert made["tasks"][0]["command"] == ["flux", "broker", "-Scontent.dump=flux-{{jobid}}-dump.tgz", "cmd"]

    def test_resources_from_a_file(self, jobspec, tmp_path):
        (tmp_path / "r.json").write_text(
            '{"resources": [{"type": "slot", "count": 3, "label": "task", "with": [{"type": "core", "count": 1}]}]}'
        )
        assert jobspec("submit", f"--resources-json={tmp_path}/r.json", "a")["resources"][0]["count"] == 3
        assert jobspec("batch", f"--resources-json={tmp_path}/r.json", "--wrap", "a")["resources"][0]["count"] == 3

    def test_shape_and_file_exclude_each_other(self, fluxplug):
        code, _, err = fluxplug("submit", "--dry-run", "--resources-shape=slot/core", "--resources-json=x", "a")
        assert code == 2
        assert "--resources-json: cannot be given together with --resources-shape" in err


class TestBatch:
    def run(self, fluxplug, tmp_path, text, *words):
        (tmp_path / "job.sh").write_text(text, encoding="utf-8")
        return fluxplug("batch", *RECORDED, *words, f"{tmp_path}/job.sh")

    def test_a_script_from_standard_input(self, jobspec, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO("#!/bin/sh\n#flux: -n3\ntrue\n"))
        made = jobspec("batch")
        assert made["resources"][0]["count"] == 3
        assert system(made)["job"]["name"] == "batch"

    def test_wrapped_standard_input(self, jobspec, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO("true\n"))
        assert system(jobspec("batch", "-n1", "--wrap"))["files"]["script"]["data"] == "#!/bin/sh\ntrue\n"

    def test_lists_add_up_and_the_command_line_wins(self, fluxplug, tmp_path):
        text = "#!/bin/sh\n#FLUX: -n4 --env=A=1 -q one\n#FLUX: # nothing\n"
        _, (made,), _ = self.run(fluxplug, tmp_path, text, "--env=B=1", "-q", "two")
        assert system(made)["queue"] == "two"
        assert system(made)["environment"] == {"B": "1"}, "the rule -* of the test comes after A"
        assert made["resources"][0]["count"] == 4

    @pytest.mark.parametrize(
        ("line", "code", "text"),
        [
            ("#FLUX: -Z", 2, "job.sh: line 2: unrecognized arguments: -Z"),
            ("#FLUX: -n2 word", 2, "job.sh: line 2: expected options, not 'word'"),
            ("#FLUX: --job-name='x", 1, "job.sh: line 2: "),
            ("#FLUX: bogus", 1, "job.sh: line 2: Unknown directive"),
            ("#FLUX: -nx", 2, "--nslots=x: expected"),
        ],
    )
    def test_wrong_directives(self, line, code, text, fluxplug, tmp_path):
        found, _, err = self.run(fluxplug, tmp_path, f"#!/bin/sh\n{line}\n")
        assert found == code
        assert text in err
        assert err.count("\n") == 1

    def test_a_script_that_is_no_text(self, fluxplug, tmp_path):
        (tmp_path / "job").write_bytes(b"#!/bin/sh\n\xff")
        code, _, err = fluxplug("batch", "--dry-run", "-n1", f"{tmp_path}/job")
        assert code == 1
        assert "not UTF-8" in err


class TestManyJobs:
    def test_cc(self, fluxplug):
        words = [
            "--cc=1-3,5",
            "--job-name=j{cc:02}",
            "-n{cc}",
            "--output={{id}}-{cc}",
            "cmd",
            "{cc}",
            "{}",
            '{"a": 1}',
            "{{cc}}",
        ]
        code, jobspecs, _ = fluxplug("submit", *RECORDED, *words)
        assert code == 0
        assert [system(one)["job"]["name"] for one in jobspecs] == ["j01", "j02", "j03", "j05"]
        assert [one["resources"][0]["count"] for one in jobspecs] == [1, 2, 3, 5]
        assert [system(one)["environment"]["FLUX_JOB_CC"] for one in jobspecs] == ["1", "2", "3", "5"]
        assert jobspecs[0]["tasks"][0]["command"] == ["cmd", "1", "{}", '{"a": 1}', "{{cc}}"]
        assert options(jobspecs[0])["output"]["stdout"]["path"] == "{{id}}-1"

    def test_bcc(self, fluxplug):
        _, jobspecs, _ = fluxplug("submit", *RECORDED, "--bcc=0-1", "{cc}")
        assert [one["tasks"][0]["command"] for one in jobspecs] == [["0"], ["1"]]
        assert system(jobspecs[0])["environment"] == {}

    def test_cc_keeps_limits(self, fluxplug):
        _, jobspecs, _ = fluxplug("submit", *RECORDED, "--cc=0-1", "--rlimit=nofile=10", "a")
        assert [options(one)["rlimit"] for one in jobspecs] == [{"nofile": 10}] * 2

    def bulk(self, fluxplug, *words):
        code, jobspecs, err = fluxplug("bulksubmit", *RECORDED, *words)
        assert code == 0, err
        assert len(err.splitlines()) == len(jobspecs)
        return [one["tasks"][0]["command"] for one in jobspecs], jobspecs, err

    def test_one_list(self, fluxplug):
        commands, jobspecs, err = self.bulk(fluxplug, "-n{}", "echo", "{}", "{seq}", "{seq1}", ":::", "4", "5")
        assert commands == [["echo", "4", "0", "1"], ["echo", "5", "1", "2"]]
        assert [one["resources"][0]["count"] for one in jobspecs] == [4, 5]
        assert err.splitlines()[1] == "bulksubmit: submit '--env=-*' '--rlimit=-*' --cwd=/w --ntasks=5 echo 5 1 2"

    def test_combinations_and_links(self, fluxplug):
        assert self.bulk(fluxplug, "{0}{1}", ":::", "a", "b", ":::", "1", "2")[0] == [["a1"], ["a2"], ["b1"], ["b2"]]
        assert self.bulk(fluxplug, "{0}{1}", ":::", "a", "b", "c", ":::+", "1", "2")[0] == [["a1"], ["b2"], ["c1"]]
        linked = self.bulk(fluxplug, "{0}{1}{2}", ":::", "a", "b", ":::+", "1", "2", ":::", "x", "y")[0]
        assert linked == [["a1x"], ["a1y"], ["b2x"], ["b2y"]]

    def test_parts(self, fluxplug):
        words = ["{.%}", "{./}", "{.//}", "{./%}", "{1./}", "{0.up}", "--define=up=x.upper()"]
        commands, _, _ = self.bulk(fluxplug, words[-1], *words[:-1], ":::", "/a/b.tar", ":::", "c/d")
        assert commands == [["/a/b", "b.tar", "/a", "b", "d", "/A/B.TAR"]]

    def test_files(self, fluxplug, tmp_path, monkeypatch):
        (tmp_path / "f").write_text("a b\nc\n", encoding="utf-8")
        (tmp_path / "g").write_text("x,y\n", encoding="utf-8")
        assert self.bulk(fluxplug, ":::: ".strip(), f"{tmp_path}/f")[0] == [["a b"], ["c"]]
        assert self.bulk(fluxplug, "--sep=none", "::::", f"{tmp_path}/f")[0] == [["a"], ["b"], ["c"]]
        assert self.bulk(fluxplug, "--sep=,", "::::", f"{tmp_path}/g")[0] == [["x"], ["y"]]
        monkeypatch.setattr(sys, "stdin", io.StringIO("p\nq\n"))
        assert self.bulk(fluxplug, "cmd", "{}")[0] == [["cmd", "p"], ["cmd", "q"]]

    def test_cc_and_inputs(self, fluxplug):
        assert self.bulk(fluxplug, "--cc=0-1", "{}{cc}{seq}", ":::", "a", "b")[0] == [
            ["a00"],
            ["a11"],
            ["b02"],
            ["b13"],
        ]

    def test_shuffle_keeps_all(self, fluxplug):
        words = [str(number) for number in range(30)]
        commands, _, _ = self.bulk(fluxplug, "--shuffle", ":::", *words)
        assert sorted(command for (command,) in commands) == sorted(words)

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            (["{1}", ":::", "a"], "{1}: there is 1 input list, from {0}"),
            (["{.none}", ":::", "a"], "{.none}: no --define=none=CODE; there are .%, ./, .//, ./%"),
            (["--define=n=1/0", "{.n}", ":::", "a"], "--define=n=1/0: ZeroDivisionError: division by zero for x='a'"),
            (["--define=n", "a", ":::", "a"], "--define=n: expected NAME=CODE, with a Python expression"),
            (["{seq:z}", ":::", "a"], "{seq:z}: "),
            (["a", ":::"], ":::: there are no inputs"),
            (["a", ":::+", "b"], ":::+: there is no list before it to link to"),
            (["a", "::::"], "::::: expected the name of a file, or -"),
            (["a", "::::", "/none"], "/none: No such file or directory"),
        ],
    )
    def test_errors(self, words, text, fluxplug):
        code, jobspecs, err = fluxplug("bulksubmit", *RECORDED, *words)
        assert code in (1, 2)
        assert jobspecs == []
        assert text in err.splitlines()[-1]


class TestHelp:
    @pytest.mark.parametrize("prog", COMMANDS)
    def test_each_option_with_unit_and_default(self, prog, capsys):
        assert main([prog, "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        for one in of_prog(prog):
            assert one.hidden or " ".join(one.text.split()) in shown, one.name
            assert one.hidden == (re.search(rf"{one.name}[,=\[ ]", shown) is None), one.name

    def test_short_flag(self, capsys):
        assert main(["submit", "-h"]) == 0
        assert capsys.readouterr().out.startswith("usage: fluxplug submit ")

    def test_of_one_option(self, capsys):
        assert main(["submit", "--help=ntasks"]) == 0
        assert "accepted: an integer of 0 or more" in capsys.readouterr().out
        assert main(["submit", "--help=-N"]) == 0
        assert capsys.readouterr().out.startswith("-N, --nodes=N\n")
        assert main(["submit", "--help=resources-shape"]) == 0
        assert "shape" in capsys.readouterr().out
        assert main(["submit", "--help=ntask"]) == 2
        assert capsys.readouterr().err == "fluxplug submit: --help: no such option ntask; did you mean ntasks?\n"

    def test_of_a_command_is_the_commands(self, jobspec):
        assert jobspec("submit", "cmd", "--help")["tasks"][0]["command"] == ["cmd", "--help"]

    def test_the_table_is_in_order(self):
        for prog in COMMANDS:
            flags = [flag for one in of_prog(prog) for flag in one.flags]
            assert len(flags) == len(set(flags)), prog
        assert all(one.flags[0].startswith("--") and one.help[-1] != "." for one in TABLE)


class TestStart:
    HEAVY = (
        "pluggy",
        "yaml",
        "attr",
        "attrs",
        "rich",
        "tomli",
        "hypothesis",
        "sortedcontainers",
        "importlib.metadata",
        "inspect",
        "difflib",
    )

    def test_what_is_imported(self):
        """Scripts call `fluxplug submit` in loops, and its time is that of its imports."""
        code = f"""if True:
            import sys
            before = set(sys.modules)
            from fluxplug.cli.main import main
            assert main(["submit", "--dry-run", "true"]) == 0
            new = set(sys.modules) - before
            assert not new & set({self.HEAVY!r}), new & set({self.HEAVY!r})
            own = {{name for name in new if name.split(".")[0] == "fluxplug"}}
            assert len(own) <= 26, sorted(own)
            others = {{name for name in new if not name.startswith("fluxplug")}}
            assert len(others) <= 48, sorted(others)
        """
        env = {**os.environ, "FLUXPLUG_CLI_PLUGINPATH_OVERRIDE": ""}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 0, done.stderr
