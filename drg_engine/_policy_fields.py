"""What keys of a policy are made of: kinds of text and number, units, their description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from drg_engine._policy_frozen import FROZEN

__all__ = [
    "DAYS",
    "PART",
    "RATIO",
    "YUAN",
    "YUAN_POINT",
    "YUAN_RW",
    "Code",
    "Codes",
    "FileName",
    "Level",
    "Means",
    "Name",
    "Positive",
    "Section",
    "Share",
    "Text",
    "key",
]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.\-]*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Code = Annotated[str, StringConstraints(min_length=1, pattern=r"^\S+$")]
Level = Annotated[str, StringConstraints(pattern=r"^[123]$")]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
FileName = Annotated[str, StringConstraints(pattern=r"^[^\\/:]+(/[^\\/:]+)*$")]
Codes = tuple[Code, ...]
Means = Annotated[dict[Code, Positive], FROZEN]

YUAN = "元"
YUAN_RW = "元/1.0 RW"
YUAN_POINT = "元/点"
DAYS = "天"
RATIO = "倍"
PART = "比例"


def key(
    default: Any = ..., *, title: str, why: str = "", unit: str = "", pays: bool = True, **more: Any
) -> Any:
    """Describe one key.  ``pays=False`` marks a key that labels and never moves an amount."""
    extra: dict[str, Any] = {"unit": unit, "pays": pays}
    return Field(default, title=title, description=why, json_schema_extra=extra, **more)


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        validate_default=True,
    )
