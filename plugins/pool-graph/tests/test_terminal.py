"""The session on a terminal, a pseudo-terminal here: prompt, line editing, history, and its end."""

import json
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from machines import r_of

pytest.importorskip("readline")

QUERY = Path(__file__).parent / "slow_query.py"
PROMPT = "resource-query> "
UP, START, ERASE, END_OF_INPUT = "\x1b[A", "\x01", "\x7f", "\x04"
#: What a terminal is told and nobody sees: where the cursor goes, what is erased, and bells.
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x07]|.\x08")


class Terminal:
    """A session that somebody types into."""

    def __init__(self, folder, *options):
        self.master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "INPUTRC": os.devnull, "COLUMNS": "200"}
        words = [sys.executable, str(QUERY), "-L", "R.json", "-f", "rv1exec", *options]
        self.process = subprocess.Popen(
            words, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.shown = ""

    def see(self, text):
        """Wait until this is shown; return what was shown up to it."""
        while text not in self.shown:
            assert select.select([self.master], [], [], 60)[0], f"{text!r} did not come, but {self.shown!r}"
            try:
                data = os.read(self.master, 4096)
            except OSError:  # the other side is closed
                data = b""
            assert data, f"{text!r} did not come before the end, but {self.shown!r}"
            self.shown = CONTROLS.sub("", self.shown + data.decode())
        before, _, self.shown = self.shown.partition(text)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Wait for the end; return the exit status."""
        return self.process.wait(timeout=60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal(tmp_path):
    (tmp_path / "R.json").write_text(json.dumps(r_of("0-1", "n[0-1]", core="0-1")))
    made = []

    def start(*options):
        made.append(Terminal(tmp_path, *options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_a_prompt_for_each_line(terminal):
    session = terminal()
    assert session.see(PROMPT) == ""
    session.type("get-status /cluster0/n0\n")
    session.see("/cluster0/n0 is up")
    session.see(PROMPT)
    session.type("quit\n")
    assert session.end() == 0


def test_no_prompt_when_told_so(terminal):
    session = terminal("-d")
    session.type("get-status /cluster0/n0\nquit\n")
    assert PROMPT not in session.see("is up")
    assert session.end() == 0


def test_lines_can_be_edited(terminal):
    session = terminal()
    session.see(PROMPT)
    session.type(f"status /cluster0/n00{ERASE}{START}get-\n")
    session.see("/cluster0/n0 is up")
    session.see(PROMPT)
    session.type(END_OF_INPUT)
    assert session.end() == 0


def test_lines_come_back(terminal):
    session = terminal()
    session.see(PROMPT)
    session.type("get-status /cluster0/n1\n")
    session.see("n1 is up")
    session.see(PROMPT)
    session.type("list\n")
    session.see(PROMPT)
    session.type(f"{UP}{UP}\n")
    session.see("n1 is up")
    session.see(PROMPT)
    session.type("q\n")
    assert session.end() == 0


def test_the_end_of_input_is_the_end(terminal):
    session = terminal()
    session.see(PROMPT)
    session.type(END_OF_INPUT)
    assert session.end() == 0


def test_answers_come_before_the_next_prompt(terminal):
    session = terminal()
    session.see(PROMPT)
    session.type("find status=up\n")
    assert "cluster0" in session.see(PROMPT)
    session.type("get-status /none\n")
    assert "Could not find path /none in resource graph." in session.see(PROMPT)
