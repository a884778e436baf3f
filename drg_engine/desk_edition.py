"""The insurance office's report of one department alone, and which department is meant.

The rule: nothing in an edition depends on any other department's cases, so that no figure of
another one can be worked back from it, however its own are taken away.

- Cases, doctors, groups and names are the department's own, of each period.
- Causes are told against its own earlier months or a table from outside.  Against the hospital
  they are left out: a group's reference is the hospital's sum at a known share, and less the
  department's own it is the others', in most groups that of one other department.
- The hospital's own means by group are left out for the same reason (a mean of amounts in whole
  fen gives away its number of cases); a table from outside stays, of the department's own groups.
- The hospital's CMI cuts the quadrant only where ``OTHERS`` other departments or more are in it, so
  that it is nobody's own figure; otherwise 1 does (insurance_office.md §1).
- How many rows the hospital's files had is left out; their fingerprints stay.

What a case of the department was paid stays what it was, although caps and readmissions look at all
of the hospital's cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from drg_engine.desk_measures import measures
from drg_engine.desk_reference import Reference
from drg_engine.errors import Fault, InputError
from performance.columns import nearest

__all__ = [
    "OTHERS", "UNCOMPARED", "department_code", "own_cut", "own_means", "own_names",
]  # fmt: skip

OTHERS = 3
UNCOMPARED = "科室版不与全院比（由全院的数可以反推别的科室）；有上期数据或参考表时才有可比的"
_PLAIN_CUT = 1.0


def department_code(frame: pd.DataFrame, names: Mapping[str, str], asked: str) -> str:
    """The code of the department that is asked for by its code or its name.

    frame: cases with ``department``.  names: code to name.  Raises InputError where no case is of
    it, or several departments of cases bear the name; it lists them and tells the nearest.
    """
    known = sorted({str(code) for code in frame["department"] if code})
    wanted = asked.strip()
    if wanted in known:
        return wanted
    found = [code for code in known if names.get(code) == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise _refused("有几个科室同名", asked, f"写编码：{'、'.join(found)}")
    told = {code: f"{code} {names[code]}" if code in names else code for code in known}
    near = nearest(wanted, [*known, *(names[code] for code in known if code in names)])
    best = [words for code, words in told.items() if near in (code, names.get(code))]
    first = f"最接近 {best[0]}；" if best else ""
    raise _refused(
        "没有这个科室的病例", asked, f"{first}可用（编码或名称）：{'、'.join(told.values())}"
    )


def _refused(what: str, asked: str, mend: str) -> InputError:
    return InputError("选项有误", [Fault("--department", what, found=asked, mend=mend)])


def own_means(reference: Reference, frames: Iterable[pd.DataFrame]) -> Reference:
    """What the department's groups are compared with: nothing where it is the hospital's own.

    frames: the department's own cases, of each period.
    """
    own = {drg for frame in frames for drg in frame["drg"]}
    table = reference.table
    if reference.own:
        kept = table.iloc[:0][["drg", "charges_fen", "days", "mortality"]]
        return Reference(kept.reset_index(drop=True), UNCOMPARED, own=True)
    kept = table[table["drg"].isin(own)].reset_index(drop=True)
    return Reference(kept, reference.source, own=False, file=reference.file)


def own_cut(frame: pd.DataFrame, department: str, cut: float | None) -> float:
    """Where the quadrant of a department's edition is cut.

    frame: the hospital's cases.  cut: what the settings say, None for the hospital's CMI.
    """
    if cut is not None:
        return cut
    others = set(frame.loc[frame["grouped"], "department"]) - {department, ""}
    return float(measures(frame)["cmi"].iloc[0]) if len(others) >= OTHERS else _PLAIN_CUT


def own_names(
    names: Mapping[str, Mapping[str, str]], frames: Sequence[pd.DataFrame]
) -> dict[str, dict[str, str]]:
    """Of names by code those that the department's own cases have."""
    whole: Any = pd.concat(list(frames)) if frames else pd.DataFrame()
    return {
        kind: {code: word for code, word in words.items() if code in set(whole[kind])}
        for kind, words in names.items()
    }
