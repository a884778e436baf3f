"""Our group and payment of each case against the bureau's (insurance_office.md §3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from grouper_tables import Scheme

__all__ = ["AGREEMENTS", "GroupAgreement", "compare_groups"]

AGREEMENTS = (
    "same",
    "only_hospital",
    "only_bureau",
    "unknown",
    "hospital_ungrouped",
    "bureau_ungrouped",
    "hospital_ambiguous",
    "bureau_ambiguous",
    "both_out",
    "severity",
    "adrg",
    "mdc",
)
"""How a case's two groups stand to each other; the first that holds."""

_GROUP, _AMBIGUOUS, _UNGROUPED, _UNKNOWN = range(4)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class GroupAgreement:
    """Cases of both sides, one row each, and how many of each kind.

    cases: case_id, agreement, drg_hospital, drg_bureau, adrg_hospital, adrg_bureau (empty where a
    side has none), place (the case among ours, -1 none), paid_fen_hospital, paid_fen_bureau and
    paid_fen_difference where the bureau told what it paid; sorted by agreement and case id.
    counts: agreement, cases and the money of each.  repeated: rows of the bureau's file whose
    case stands there before; the first is compared.
    """

    cases: pd.DataFrame
    counts: pd.DataFrame
    repeated: pd.DataFrame

    @property
    def both(self) -> int:
        """Cases that both sides have."""
        one_sided = self.cases["agreement"].isin(["only_hospital", "only_bureau"])
        return int((~one_sided).sum())

    @property
    def same_drg(self) -> int:
        """Cases of the same DRG."""
        return int((self.cases["agreement"] == "same").sum())

    @property
    def same_adrg(self) -> int:
        """Cases of the same ADRG, or of the same result where there is none."""
        own = self.cases["adrg_hospital"]
        alike = (own != "") & (own == self.cases["adrg_bureau"])
        return int((alike | (self.cases["agreement"] == "same")).sum())


def compare_groups(ours: pd.DataFrame, theirs: pd.DataFrame, scheme: Scheme) -> GroupAgreement:
    """Set our groups against the bureau's.

    ours: case_id (text, each once), drg (code), paid_fen.  theirs: row, case_id, drg and, where
    told, paid_fen.  Money is int64 fen.
    """
    again = theirs["case_id"].duplicated()
    places = ours.assign(place=np.arange(len(ours)))
    both = places.merge(
        theirs[~again].drop(columns="row"),
        on="case_id",
        how="outer",
        suffixes=("_hospital", "_bureau"),
        indicator=True,
        sort=True,
    )
    groups = _Groups(scheme)
    sides = {}
    for side in ("hospital", "bureau"):
        codes = both[f"drg_{side}"].fillna("")
        both[f"drg_{side}"] = codes
        sides[side] = groups.of(codes)
        both[f"adrg_{side}"] = sides[side]["adrg"]
    both["agreement"] = _agreement(both, sides)
    both["place"] = both["place"].fillna(-1).astype(np.int64)
    columns = ["case_id", "agreement", "drg_hospital", "drg_bureau", "adrg_hospital"]
    columns += ["adrg_bureau", "place"]
    money = [name for name in both.columns if name.startswith("paid_fen")]
    if len(money) == 2:
        for name in money:
            both[name] = both[name].fillna(0).astype(np.int64)
        both["paid_fen_difference"] = both["paid_fen_hospital"] - both["paid_fen_bureau"]
        columns += [*money, "paid_fen_difference"]
    rank = {name: at for at, name in enumerate(AGREEMENTS)}
    order = both["agreement"].map(rank)
    cases = both.assign(_at=order).sort_values(["_at", "case_id"], kind="stable")[columns]
    cases = cases.reset_index(drop=True)
    return GroupAgreement(cases, _counts(cases), theirs[again].reset_index(drop=True))


class _Groups:
    """What each code of a scheme is: kind, ADRG and MDC."""

    def __init__(self, scheme: Scheme) -> None:
        tables = scheme.source.tables
        self._adrg: dict[str, str] = {
            str(drg): str(adrg) for drg, adrg in tables["groups"].pick("drg", "adrg")
        }
        self._mdc: dict[str, str] = {
            str(adrg): str(mdc) for adrg, mdc in tables["adrg"].pick("adrg", "mdc")
        }
        self._kind = dict.fromkeys(scheme.drg_codes, _AMBIGUOUS)
        self._kind |= dict.fromkeys(self._adrg, _GROUP)
        self._kind[scheme.manifest.ungrouped_code] = _UNGROUPED

    def of(self, codes: pd.Series[Any]) -> Mapping[str, Any]:
        """Kind (int, n), ADRG and MDC (text, empty where none) of codes."""
        adrg = codes.map(self._adrg).fillna("")
        return {
            "kind": codes.map(self._kind).fillna(_UNKNOWN).to_numpy(dtype=np.int64),
            "adrg": adrg,
            "mdc": adrg.map(self._mdc).fillna(""),
        }


def _agreement(both: pd.DataFrame, sides: Mapping[str, Mapping[str, Any]]) -> list[str]:
    own, other = sides["hospital"], sides["bureau"]
    mine, theirs = own["kind"], other["kind"]
    tests: list[Mask] = [
        (both["_merge"] == "left_only").to_numpy(),
        (both["_merge"] == "right_only").to_numpy(),
        (both["drg_hospital"] == both["drg_bureau"]).to_numpy(),
        theirs == _UNKNOWN,
        (mine == _UNGROUPED) & (theirs == _GROUP),
        (theirs == _UNGROUPED) & (mine == _GROUP),
        (mine == _AMBIGUOUS) & (theirs == _GROUP),
        (theirs == _AMBIGUOUS) & (mine == _GROUP),
        (mine != _GROUP) & (theirs != _GROUP),
        (own["adrg"] == other["adrg"]).to_numpy(),
        (own["mdc"] == other["mdc"]).to_numpy(),
    ]
    names = ["only_hospital", "only_bureau", "same", *AGREEMENTS[3:-1]]
    return [str(name) for name in np.select(tests, names, default="mdc")]


def _counts(cases: pd.DataFrame) -> pd.DataFrame:
    money = [name for name in cases.columns if name.startswith("paid_fen")]
    groups = cases.groupby("agreement")
    counts = groups.size().rename("cases").to_frame().join(groups[money].sum())
    return counts.reindex(list(AGREEMENTS), fill_value=0).reset_index()
