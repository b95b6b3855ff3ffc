"""`{cc}`, `{}`, `{0./}`: what stands for an id or an input in a command and in option values. `{{id}}` and its like are the job shell's, and stay.

    {cc} {cc:03}                   the id of --cc or --bcc, with a format as Python has them
    {} {0} {1}                     the input of the first list, of the first, of the second
    {.%} {./} {.//} {./%}          without extension, file name, folder, file name without extension; also {1.%}
    {.NAME} {1.NAME}               what --define=NAME=CODE says
    {seq} {seq1}                   the number of the job, from 0 or from 1

With --cc alone only {cc} has a meaning. Braces around anything else stay as they are, so that JSON and awk survive.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fluxplug.cli.submission.values import JobError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Tags of the job shell come first, so that nothing in them is taken for ours.
_FIELD = re.compile(
    r"\{\{.*?\}\}|\{(?P<name>cc|seq1?|(?P<index>[0-9]*)(?P<part>\.(?:%|//|/%|/|[A-Za-z_]\w*))?)(?::(?P<form>[^{}]*))?\}",
    re.DOTALL,
)
_ALONE = re.compile(r"\{\{.*?\}\}|\{(?P<name>cc)(?::(?P<form>[^{}]*))?\}", re.DOTALL)


def fill(text: str, names: Mapping[str, int], inputs: Sequence[str] | None, defined: Mapping[str, str]) -> str:
    """A text with its fields replaced.

    `names` has cc, seq and seq1 as far as they exist; `inputs` one word of each list, or None for a command without inputs; `defined` the code of
    --define. Raises JobError for a field that cannot be filled.
    """
    if "{" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        whole, name = match[0], match["name"]
        if name is None:
            return whole
        if name in ("cc", "seq", "seq1"):
            return _formatted(whole, names[name], match["form"]) if name in names else whole
        if inputs is None:
            return whole
        index, part = int(match["index"] or 0), match["part"]
        if index >= len(inputs):
            raise JobError(
                f"{whole}: there {'is' if len(inputs) == 1 else 'are'} {len(inputs)} input list{'s' * (len(inputs) != 1)}, from {{0}}"
            )
        return _formatted(whole, _part(whole, inputs[index], part, defined), match["form"])

    return (_ALONE if inputs is None else _FIELD).sub(one, text)


def _formatted(whole: str, value: Any, form: str | None) -> str:
    try:
        return format(value, form or "")
    except ValueError as error:
        raise JobError(f"{whole}: {error}") from None


def _part(whole: str, word: str, part: str | None, defined: Mapping[str, str]) -> Any:
    if part is None:
        return word
    import os.path  # noqa: PLC0415 - imported at start-up in any case

    if part == ".%":
        return os.path.splitext(word)[0]  # noqa: PTH122
    if part == "./":
        return os.path.basename(word)  # noqa: PTH119
    if part == ".//":
        return os.path.dirname(word)  # noqa: PTH120
    if part == "./%":
        return os.path.splitext(os.path.basename(word))[0]  # noqa: PTH119, PTH122
    if part[1:] not in defined:
        known = ", ".join([".%", "./", ".//", "./%", *(f".{name}" for name in defined)])
        raise JobError(f"{whole}: no --define={part[1:]}=CODE; there are {known}")
    try:
        return str(eval(defined[part[1:]], {"x": word}))  # noqa: S307 - the user's own code, on the user's own command line
    except Exception as error:  # noqa: BLE001 - it may raise anything
        raise JobError(
            f"--define={part[1:]}={defined[part[1:]]}: {type(error).__name__}: {error} for x={word!r}"
        ) from None


def fill_all(
    values: dict[str, Any], names: Mapping[str, int], inputs: Sequence[str] | None, defined: Mapping[str, str]
) -> None:
    """Replace the fields in all texts of a namespace, those in lists included, in place."""
    for key, value in values.items():
        if isinstance(value, str):
            values[key] = fill(value, names, inputs, defined)
        elif isinstance(value, list):
            values[key] = [fill(one, names, inputs, defined) if isinstance(one, str) else one for one in value]
