"""The normal form of a code."""

from __future__ import annotations

import unicodedata

__all__ = ["normal_code"]


def normal_code(text: str) -> str:
    """Normal form of one code (specs/grouping.md, "A case").

    Surrounding space goes, full width becomes half width, letters become capitals except the
    extension's ``x``: an x that does not begin the code or its part after ``+``.
    """
    word = unicodedata.normalize("NFKC", text).strip().upper()
    return "".join(
        "x" if letter == "X" and at > 0 and word[at - 1] != "+" else letter
        for at, letter in enumerate(word)
    )
