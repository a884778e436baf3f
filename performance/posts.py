"""Who works where in the month: one post a person, or several with shares and dates (§6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from drg_engine.errors import AllocationError, Fault
from performance.columns import NO_DATE, nearest
from performance.facts import Posts
from performance.inputs import Inputs, period_days
from performance.plan import Plan

__all__ = ["posts_of"]

Floats = npt.NDArray[np.float64]

_COEFFICIENTS = ("post_coefficient_e4", "title_coefficient_e4")


def posts_of(
    plan: Plan, inputs: Inputs, personal: pd.DataFrame | None
) -> tuple[pd.DataFrame, Posts]:
    """Posts of the month sorted by department, series and person, as a table and as arrays.

    A person with rows in the posts table that hold in the month has those posts, everyone else the
    one of the staff table.  A post's share is its part of the person × its days / days of the month
    (``staff.posts = share`` leaves the days out).  personal: points of persons (department, series,
    staff_id, points_e6); without them the personal scores' own points count.  Raises
    AllocationError for posts of nobody and for persons whose posts come to more than 1.
    """
    frame = _frame(plan, inputs)
    ids = sorted({str(name) for name in inputs.staff["staff_id"]})
    due, present = _attendance(inputs, frame)
    scores = inputs.staff_scores.set_index("staff_id")

    def score(column: str, missing: float) -> Floats:
        values = frame["staff_id"].map(scores[column]).to_numpy(dtype=np.float64)
        return np.where(np.isnan(values), missing, values / 1e4)

    given = score("score_e4", np.nan)
    place = pd.Index(inputs.departments["department"])
    with np.errstate(all="ignore"):
        ratio = present / due
    return frame, Posts(
        ids=tuple(ids),
        person=np.asarray(pd.Index(ids).get_indexer(pd.Index(frame["staff_id"])), dtype=np.int64),
        department=np.asarray(place.get_indexer(pd.Index(frame["department"])), dtype=np.int64),
        series=np.asarray(
            pd.Index(plan.series).get_indexer(pd.Index(frame["series"])), dtype=np.int64
        ),
        titles=tuple(str(title) for title in frame["title"]),
        share=frame["post_share"].to_numpy(np.float64),
        post=frame["post_coefficient_e4"].to_numpy(np.float64) / 1e4,
        title=frame["title_coefficient_e4"].to_numpy(np.float64) / 1e4,
        attendance=ratio,
        days_present=present / 1e4,
        days_due=due / 1e4,
        score=np.where(given < 0, np.nan, given),
        evaluation=score("evaluation_e4", 1.0),
        satisfaction=score("satisfaction_e4", 1.0),
        points=_points(plan, frame, personal, score("points_e4", 0.0)),
        income=_income(plan, inputs, frame),
        main=frame["main"].to_numpy(dtype=np.bool_),
    )


def _frame(plan: Plan, inputs: Inputs) -> pd.DataFrame:
    columns = ["staff_id", "name", "department", "series", "title", *_COEFFICIENTS]
    staff = inputs.staff[columns].assign(post_share=1.0, main=True)
    posts = _in_force(plan, inputs)
    if len(posts):
        several = set(posts["staff_id"])
        own = staff.set_index("staff_id")
        posts = posts.assign(
            name=posts["staff_id"].map(own["name"]), title=posts["staff_id"].map(own["title"])
        )
        for column in _COEFFICIENTS:
            general = posts["staff_id"].map(own[column])
            posts[column] = posts[column].where(posts[column] >= 0, general).astype(np.int64)
        home = posts["staff_id"].map(own["department"]) == posts["department"]
        home &= posts["staff_id"].map(own["series"]) == posts["series"]
        posts = posts.assign(away=~home).sort_values(
            ["staff_id", "away", "department", "series"], kind="stable"
        )
        posts["main"] = ~posts.duplicated("staff_id")
        rest = staff[~staff["staff_id"].isin(several)]
        staff = pd.concat([rest, posts[staff.columns]], ignore_index=True)
    return staff.sort_values(["department", "series", "staff_id"], kind="stable", ignore_index=True)


def _in_force(plan: Plan, inputs: Inputs) -> pd.DataFrame:
    """Posts that hold in the month, one row for each person, department and series."""
    posts = inputs.posts
    if not len(posts):
        return posts
    known = inputs.staff["staff_id"].astype(str).tolist()
    strange = posts[~posts["staff_id"].isin(known)]
    faults = []
    for row, name in zip(strange["row"], strange["staff_id"], strict=True):
        near = nearest(str(name), known)
        mend = f"最接近 {near}" if near else "请在人员表加上"
        faults.append(Fault("posts", "人员不在人员表", int(row), "工号", str(name), mend))
    if faults:
        raise AllocationError("岗位表中有人员不在人员表", faults)
    part = _part_of_month(plan, inputs, posts)
    posts = posts.assign(post_share=posts["share_e4"] / 1e4 * part)[part > 0]
    keys = ["staff_id", "department", "series"]
    shares = posts.groupby(keys, sort=True)["post_share"].sum().reset_index()
    last = posts.sort_values([*keys, "effective_from"], kind="stable").drop_duplicates(
        keys, keep="last"
    )
    merged = shares.merge(last[[*keys, *_COEFFICIENTS]], on=keys)
    whole = merged.groupby("staff_id", sort=True)["post_share"].sum()
    above = whole[whole > 1 + 1e-9]
    if len(above) and plan.model.staff.posts_above_one == "refuse":
        faults = [
            Fault("posts", "各岗折合超过 1", found=f"{name} {share:.4f}", mend="请改正占比或日期")
            for name, share in above.items()
        ]
        raise AllocationError("一人各岗折合超过 1，方案要求停止", faults)
    return merged


def _part_of_month(plan: Plan, inputs: Inputs, posts: pd.DataFrame) -> Floats:
    """Days of each post in the month / days of the month; 1 or 0 with ``staff.posts = share``."""
    if inputs.period is None:
        return np.ones(len(posts))
    first, last = period_days(inputs.period)
    start = posts["effective_from"].to_numpy(np.int64)
    stop = posts["effective_to"].to_numpy(np.int64)
    stop = np.where(stop == NO_DATE, last, np.minimum(stop, last))
    days = np.maximum(stop - np.maximum(start, first), 0)
    if plan.model.staff.posts == "share":
        return np.asarray(days > 0, dtype=np.float64)
    return np.asarray(days / float(last - first), dtype=np.float64)


def _attendance(inputs: Inputs, frame: pd.DataFrame) -> tuple[Floats, Floats]:
    known = inputs.attendance.set_index("staff_id")
    due = frame["staff_id"].map(known["days_due_e4"]).to_numpy(dtype=np.float64)
    present = frame["staff_id"].map(known["days_present_e4"]).to_numpy(dtype=np.float64)
    return np.asarray(due), np.asarray(present)


def _points(plan: Plan, frame: pd.DataFrame, personal: pd.DataFrame | None, own: Floats) -> Floats:
    if personal is None or not len(personal):
        return own
    keys = ["department", "series", "staff_id"]
    points = personal.groupby(keys)["points_e6"].sum()
    found = points.reindex(pd.MultiIndex.from_frame(frame[keys])).fillna(0)
    return found.to_numpy(dtype=np.float64) / 1e6


def _income(plan: Plan, inputs: Inputs, frame: pd.DataFrame) -> Floats:
    """Charges (yuan) that each person ordered, where a formula of the plan asks for them."""
    pools = plan.model.staff.sub_pools
    asked = any(
        "personal_income" in plan.formula_fields(pool.formula, "staff")
        for pool in pools
        if pool.formula
    )
    if not asked:
        return np.zeros(len(frame))
    whole: dict[str, int] = {}
    for part in inputs.lines.parts():
        sums = np.zeros(len(part.order_doctor.values), dtype=np.int64)
        np.add.at(sums, part.order_doctor.codes, part.amount_fen)
        for name, amount in zip(part.order_doctor.values, sums, strict=True):
            whole[name] = whole.get(name, 0) + int(amount)
    return np.array([whole.get(str(name), 0) / 100.0 for name in frame["staff_id"]])
