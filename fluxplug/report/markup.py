"""Text for SVG and HTML: escaping, numbers and elements.

Not a document tree: elements are strings, built inside out, so that a page of megabytes costs little more than its text.
Everything in this package that writes a tag does it here or with `esc`, so that job, queue and policy names, which are foreign
input, cannot become markup.
"""

from __future__ import annotations

import html
import re

# What XML 1.0 cannot hold even as a reference (section 2.2), and the bidi controls, which would reorder the text around them.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def clean(text: str, most: int = 0) -> str:
    """The text with what no document can hold replaced by U+FFFD; shortened to `most` characters if that is not 0."""
    text = _UNFIT.sub("\ufffd", text)
    return text if not most or len(text) <= most else text[: most - 1] + "…"


def esc(text: str, most: int = 0) -> str:
    """The text as content or as a quoted attribute value, of SVG and HTML alike."""
    return html.escape(clean(text, most))


def num(value: float) -> str:
    """A coordinate with at most two decimals, no trailing zeros and no minus zero."""
    text = f"{value:.2f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def el(tag: str, /, *children: str, **attributes: str | float) -> str:
    """An element around `children`, which are markup already.

    Attribute names: a trailing underscore is dropped, others become hyphens (`class_`, `stroke_width`). Values are escaped;
    numbers are written as coordinates.
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        text = esc(value) if isinstance(value, str) else num(value)
        parts.append(f' {key.rstrip("_").replace("_", "-")}="{text}"')
    if not children:
        return "".join(parts) + "/>"
    return "".join((*parts, ">", *children, f"</{tag}>"))
