"""The normal form of a code."""

from __future__ import annotations

import unicodedata

__all__ = ["normal_code"]

_SPACES = " \t\n\v\f\r"
_CAPITALS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def normal_code(text: str) -> str:
    """Normal form of one code (specs/grouping.md, "A case").

    Surrounding space goes, full width becomes half width, letters become capitals except the
    extension's ``x``: an x that does not begin the code or its part after ``+``.  One or two
    dashes alone, with which exports fill empty places, are no code.
    """
    word = unicodedata.normalize("NFKC", text).strip(_SPACES).translate(_CAPITALS)
    if word in ("-", "--"):
        return ""
    return "".join(
        "x" if letter == "X" and at > 0 and word[at - 1] != "+" else letter
        for at, letter in enumerate(word)
    )
