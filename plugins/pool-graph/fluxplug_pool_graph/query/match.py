"""The commands that match and find: match, multi-match, update, find (fluxion.md sections 9.2 to 9.4)."""

from __future__ import annotations

import errno
import os

from fluxplug.clock import stopwatch
from fluxplug.errors import ParseError
from fluxplug_pool_graph.constraint import JobspecError
from fluxplug_pool_graph.expression import parse_expression
from fluxplug_pool_graph.jobspec import compile_jobspec
from fluxplug_pool_graph.matcher import LIFETIME, Hold, MatcherError, Operation, Outcome, Verdict
from fluxplug_pool_graph.query.session import BAR, Job, Session, State, read_text
from fluxplug_pool_graph.readers import GraphReadError, read
from fluxplug_pool_graph.writers import WriterError

_OPERATIONS = {operation.value: operation for operation in Operation}
_UPDATE_READERS = ("jgf", "jgf_shorthand", "rv1exec")


def match(session: Session, words: list[str]) -> None:
    """`match OPERATION FILE`, and `multi-match OPERATION FILE FILE...` up to the first that does not match."""
    operation = _OPERATIONS.get(words[1])
    if operation is None:
        session.complain(f"ERROR: unknown subcmd {words[1]}")
        return
    for file in words[2:]:
        text = read_text(file)
        if text is None:
            session.complain(f"ERROR: can't open {file}")
        elif not _match_one(session, operation, file, text):
            return


def _match_one(session: Session, operation: Operation, file: str, text: str) -> bool:
    began = stopwatch()
    code, outcome, output = _try_match(session, operation, text)
    seconds = stopwatch() - began
    if operation is Operation.SATISFIABILITY:
        unsatisfiable = code in (errno.ENODEV, errno.ENOENT)
        session.say(f"{BAR}INFO: {'Unsatisfiable' if unsatisfiable else 'Satisfiable'} request\n{BAR}")
        session.tell_elapsed(seconds, session.out)
        return code == 0
    if code == 0:
        jobid = session.counter
        mode = "MATCHED"
        if operation.commits:
            state = State.RESERVED if outcome.at else State.ALLOCATED
            session.jobs[jobid] = Job(jobid, state, outcome.at, file, seconds)
            session.counter += 1
            mode = state.value
        session.say(output)
        _tell_success(session, jobid, mode, outcome.at, seconds)
        return True
    lines = f"{BAR}INFO: No matching resources found\n"
    if code in (errno.ENODEV, errno.ENOENT):
        lines += "INFO: Unsatisfiable request\n"
    session.say(f"{lines}INFO: JOBID={session.counter}\n")
    session.tell_elapsed(seconds, session.results)
    session.say(BAR)
    if operation.commits and code in (errno.EBUSY, errno.ENODEV):
        session.counter += 1
    return False


def _try_match(session: Session, operation: Operation, text: str) -> tuple[int, Outcome, str]:
    """The errno, what came of it, and the text of the result."""
    state = session.imitation
    try:
        request = compile_jobspec(text, session.matcher.types)
    except JobspecError as exc:
        session.complain(f"match_allocate: ERROR: Jobspec error for {session.counter}: {exc}")
        state.errno = errno.EINVAL
        return errno.EINVAL, Outcome(Verdict.INVALID), ""
    try:
        outcome = session.matcher.match(operation, request, session.counter, frozenset(state.exclusive_types))
    except MatcherError as exc:
        session.complain(f"match_allocate: ERROR: {exc}")
        return errno.EINVAL, Outcome(Verdict.INVALID), ""
    code = state.note(outcome, request)
    if request.queue and code == 0 and operation is not Operation.SATISFIABILITY:
        state.leftovers.queue = request.queue
    if code not in (0, errno.EBUSY, errno.ENODEV):
        session.complain(f"match_allocate: ERROR: {outcome.texts or 'traverser: ' + os.strerror(code)}")
        return code, outcome, ""
    if code and outcome.texts:
        session.complain(f"match_allocate: ERROR: {outcome.texts}")
    try:
        return code, outcome, session.render(outcome)
    except WriterError as exc:
        session.complain(f"match_allocate: ERROR: match writer emit: {os.strerror(exc.code)}")
        state.errno = exc.code
        return exc.code, outcome, ""


def _tell_success(session: Session, jobid: int, mode: str, at: int, seconds: float) -> None:
    session.say(f"{BAR}INFO: JOBID={jobid}\nINFO: RESOURCES={mode}\nINFO: SCHEDULED AT={at or 'Now'}\n")
    session.tell_elapsed(seconds, session.out)
    session.say(BAR)


def find(session: Session, words: list[str]) -> None:
    """`find EXPRESSION`."""
    text = " ".join(words[1:])
    try:
        expression = parse_expression(text)
    except ParseError:
        session.complain(f"findfind: invalid criteria: {text}.")
        return
    taken = session.matcher.find(expression)
    for one in taken:
        session.imitation.labels.pop(one.vertex, None)
    try:
        output = session.render(Outcome(Verdict.DONE, taken=taken), search=True)
    except WriterError as exc:
        session.complain(f"find: ERROR: find writer emit: {os.strerror(exc.code)}")
        return
    session.say(f'{output}{BAR}INFO: EXPRESSION="{text}"\n{BAR}')


def update(session: Session, words: list[str]) -> None:
    """`update allocate|reserve READER FILE JOBID START DURATION`."""
    _, way, reader, file, *numbers = words
    if way not in ("allocate", "reserve"):
        session.complain(f"ERROR: unknown subcmd {way}")
        return
    if reader not in _UPDATE_READERS:
        session.complain(f"ERROR: unsupported reader {reader}")
        return
    text = read_text(file)
    if text is None:
        session.complain(f"ERROR: can't open {file}")
        return
    jobid, start, duration = (number_of(word) for word in numbers)
    if jobid in session.jobs:
        session.complain("ERROR: existing Jobid ")
        return
    if start < 0 or duration <= 0 or start + duration > LIFETIME:
        session.complain(f"ERROR: invalid time ({start}, {duration})")
        return
    began = stopwatch()
    try:
        document = read(reader, text)
        outcome = session.matcher.update(
            document, reader, Hold(jobid, start, duration), frozenset(session.imitation.exclusive_types)
        )
        code, texts = session.imitation.note(outcome), outcome.texts
    except GraphReadError as exc:
        code, texts, outcome = errno.EINVAL, exc.recorded, Outcome(Verdict.INVALID)
    seconds = stopwatch() - began
    session.counter = jobid + 1
    if code:
        session.complain("ERROR: traverser run () returned error ")
        if texts:
            session.err.write(f"ERROR: {texts}")
        session.say(f"{BAR}INFO: No matching resources found\nINFO: JOBID={jobid}\n")
        session.tell_elapsed(seconds, session.results)
        session.say(BAR)
        return
    state = State.RESERVED if start else State.ALLOCATED
    session.jobs[jobid] = Job(jobid, state, start, file, seconds)
    try:
        session.say(session.render(outcome))
    except WriterError as exc:
        session.complain(f"ERROR: {os.strerror(exc.code)}")
    _tell_success(session, jobid, state.value, start, seconds)


def number_of(word: str) -> int:
    """A number as the original reads it: the digits in front, 0 if there are none."""
    sign = -1 if word.startswith("-") else 1
    digits = ""
    for character in word.lstrip("+-"):
        if not ("0" <= character <= "9"):
            break
        digits += character
    return sign * int(digits or "0")
