"""The table of commands, and those that are neither match nor find (fluxion.md section 9.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from attrs import frozen

from fluxplug.errors import ParseError
from fluxplug.values.idset import IDset
from fluxplug_pool_graph.matcher import MatcherError, Verdict, Visits
from fluxplug_pool_graph.query import match
from fluxplug_pool_graph.query.session import BAR, Session, State, read_text
from fluxplug_pool_graph.readers import GraphReadError, read

if TYPE_CHECKING:
    from collections.abc import Callable

_MANY = 10**9


class Quit(Exception):  # noqa: N818 - it is no error
    """The session is over."""


@frozen
class Command:
    """`words` is the least and the most words, the command's own included."""

    name: str
    short: str
    note: str
    words: tuple[int, int]
    run: Callable[[Session, list[str]], None]


def execute(session: Session, line: str) -> None:
    """Run one line; unknown words and blank lines do nothing. Raises Quit."""
    words = line.split()
    for command in COMMANDS:
        if words and words[0] in (command.name, command.short):
            least, most = command.words
            if least <= len(words) <= most:
                command.run(session, words)
            else:
                session.complain("ERROR: malformed command" + (": " if command.name == "find" else ""))
            return


def _attach(session: Session, words: list[str]) -> None:
    text = read_text(words[1])
    if text is None:
        session.complain(f"ERROR: can't open {words[1]}")
        return
    try:
        session.matcher.attach(read("jgf", text))
    except (GraphReadError, MatcherError) as exc:
        why = exc.recorded if isinstance(exc, GraphReadError) else f"{exc}\n"
        session.complain("ERROR: can't attach JGF subgraph ")
        session.complain("ERROR: add_subgraph: ERROR: add subgraph error: Invalid argument")
        session.complain(f"add_subgraph: ERROR: reader returned error: {why}\n")


def _remove(session: Session, words: list[str]) -> None:
    if words[2] == "true":
        if session.matcher.remove_path(words[1]) is not Verdict.DONE:
            session.complain("ERROR: can't remove subgraph ")
            why = os.strerror(session.imitation.errno)
            session.complain(f"ERROR: remove_subgraph: ERROR: remove_subgraph error: {why}")
            session.complain("remove_subgraph: ERROR: traverser returned error: \n")
        return
    if words[2] != "false":
        session.complain("ERROR: invalid path boolean input ")
        return
    try:
        ranks = IDset(words[1])
    except ParseError:
        session.complain("ERROR: failed to decode ranks.")
        return
    release = session.matcher.remove_ranks(ranks)
    if release.verdict is not Verdict.DONE:
        session.complain("ERROR: can't partial cancel subgraph ")
        session.complain(f"ERROR: remove: {release.rank} not found in by_rank map.")


def _cancel(session: Session, words: list[str]) -> None:
    jobid = match.number_of(words[1])
    job = session.jobs.get(jobid)
    if job is None or job.state is State.CANCELED:
        session.complain(f"cancel: ERROR: nonexistent job {jobid}")
        return
    release = session.matcher.cancel(jobid)
    session.imitation.visits = release.visits
    if release.verdict is not Verdict.DONE:
        session.complain(f"cancel: ERROR: error encountered while removing job {jobid}")
        return
    job.state = State.CANCELED
    if words[2:] == ["stats"]:
        _tell_cancelled(session, "CANCEL", release.visits)


def _partial_cancel(session: Session, words: list[str]) -> None:
    jobid = match.number_of(words[1])
    reader, file = words[2], words[3]
    job = session.jobs.get(jobid)
    text = read_text(file)
    if job is None or job.state is State.CANCELED:
        session.complain(f"ERROR: nonexistent job {jobid}")
        return
    if job.state is State.RESERVED:
        session.complain("ERROR: reservations not currently supported by partial cancel")
        return
    if reader not in ("jgf", "rv1exec"):
        session.complain(f"ERROR: unsupported reader {reader}")
        return
    if text is None:
        session.complain(f"ERROR: can't open {file}")
        return
    session.imitation.visits = Visits()
    try:
        release = session.matcher.partial_cancel(read(reader, text), reader, jobid)
        failed, rank = release.verdict is not Verdict.DONE, release.rank
    except GraphReadError:
        failed, rank, release = True, None, None
    if failed:
        if reader == "jgf":
            session.out.write("remove: partial_cancel returned error.\n")
        elif rank is not None:
            session.out.write(f"remove: {rank} not found in rank_to_counts.\n")
        session.complain(f"ERROR: error encountered while removing job {jobid}")
    elif release is not None and release.full:
        job.state = State.CANCELED
    if words[4:] == ["stats"]:
        _tell_cancelled(session, "PARTIAL CANCEL", Visits())


def _tell_cancelled(session: Session, what: str, visits: Visits) -> None:
    session.say(
        f'{BAR}INFO: {what} PREORDER COUNT="{visits.entered}"\nINFO: {what} POSTORDER COUNT="{visits.succeeded}"\n{BAR}'
    )


def _set_property(session: Session, words: list[str]) -> None:
    key, equals, value = words[2].partition("=")
    if not (key and equals and value):
        session.say("Incorrect input format. \nPlease use `set-property <resource> PROPERTY=VALUE`.\n")
        return
    vertex = session.matcher.vertex_at(words[1])
    if vertex is None:
        session.say(f"Couldn't find path {words[1]} in resource graph.\n")
    else:
        session.matcher.set_property(vertex, key, value)


def _vertex(session: Session, path: str) -> int | None:
    vertex = session.matcher.vertex_at(path)
    if vertex is None:
        session.say(f"Could not find path {path} in resource graph.\n")
    return vertex


def _get_property(session: Session, words: list[str]) -> None:
    index = _vertex(session, words[1])
    if index is None:
        return
    vertex = session.matcher.description.vertices[index]
    if not vertex.properties:
        session.say(f"No properties were found for {words[1]} (vtx's uniq_id={vertex.uniq_id}).\n")
    session.say("".join(f"{key}={value}\n" for key, value in sorted(vertex.properties.items())))


def _set_status(session: Session, words: list[str]) -> None:
    vertex = _vertex(session, words[1])
    if vertex is None:
        return
    if words[2] not in ("up", "down"):
        session.complain("ERROR: unrecognized status")
        return
    session.matcher.set_status(vertex, up=words[2] == "up")


def _get_status(session: Session, words: list[str]) -> None:
    vertex = _vertex(session, words[1])
    if vertex is not None:
        session.say(f"{words[1]} is {'up' if session.matcher.description.vertices[vertex].up else 'down'}\n")


def _list(session: Session, _: list[str]) -> None:
    for jobid in sorted(session.jobs):
        _tell_job(session, jobid)


def _info(session: Session, words: list[str]) -> None:
    jobid = match.number_of(words[1])
    if jobid in session.jobs:
        _tell_job(session, jobid)
    else:
        session.complain(f"info: ERROR: nonexistent job {jobid}")


def _tell_job(session: Session, jobid: int) -> None:
    job = session.jobs[jobid]
    session.out.write(f"INFO: {job.id}, {job.state.value}, {job.at}, {job.file}, {job.seconds:g}\n")


def _stat(session: Session, _: list[str]) -> None:
    # The times are not kept: this is what they begin with (12.14).
    least = "1.79769e+308" if session.jobs else "0"
    session.out.write(f"INFO: Num. of Jobs Matched: {len(session.jobs)}\n")
    session.out.write(f"INFO: Min. Match Time: {least}\nINFO: Max. Match Time: 0\nINFO: Avg. Match Time: 0\n")


def _cat(session: Session, words: list[str]) -> None:
    text = read_text(words[1])
    if text is not None:
        session.out.write(text)
        session.out.write("" if text.endswith("\n") else "\n")
    session.out.write(f"INFO: Jobspec in {words[1]}\n")


def _help(session: Session, words: list[str]) -> None:
    shown = [c for c in COMMANDS if len(words) != 2 or words[1] in (c.name, c.short)]
    for command in shown:
        session.out.write(f"INFO: {command.name} ({command.short}) -- {command.note}\n")
    if not shown:
        session.out.write(f"ERROR: unknown command: {words[1]}\n")


def _quit(*_: object) -> None:
    raise Quit


COMMANDS = (
    Command("match", "m", "Find resources for a jobspec: match OPERATION FILE", (3, 3), match.match),
    Command("multi-match", "M", "The same for several: multi-match OPERATION FILE FILE...", (4, _MANY), match.match),
    Command(
        "update",
        "u",
        "Take what a document says: update allocate READER FILE JOBID START DURATION",
        (7, 7),
        match.update,
    ),
    Command("attach", "j", "Add a subgraph: attach JGF_FILE", (2, 2), _attach),
    Command("remove", "j", "Drop a subgraph: remove PATH true, or remove RANKS false", (3, 3), _remove),
    Command("find", "f", "Find vertices: find EXPRESSION", (2, _MANY), match.find),
    Command("cancel", "c", "Release a job: cancel JOBID [stats]", (2, 3), _cancel),
    Command(
        "partial-cancel",
        "pc",
        "Release part of a job: partial-cancel JOBID READER FILE [stats]",
        (4, 5),
        _partial_cancel,
    ),
    Command("set-property", "p", "Set a property: set-property PATH NAME=VALUE", (3, 3), _set_property),
    Command("get-property", "g", "Print the properties: get-property PATH", (2, 2), _get_property),
    Command("set-status", "t", "Put a vertex up or down: set-status PATH up|down", (3, 3), _set_status),
    Command("get-status", "e", "Print the status: get-status PATH", (2, 2), _get_status),
    Command("list", "l", "List the jobs", (1, _MANY), _list),
    Command("info", "i", "Print one job: info JOBID", (2, 2), _info),
    Command("stat", "s", "Print statistics", (1, 1), _stat),
    Command("cat", "a", "Print a jobspec: cat FILE", (2, 2), _cat),
    Command("help", "h", "Print this: help [COMMAND]", (1, _MANY), _help),
    Command("quit", "q", "End the session", (1, _MANY), _quit),
)
