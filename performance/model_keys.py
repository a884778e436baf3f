"""What every section of a plan is made of: described keys, shares, amounts, decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from drg_engine.money import fen_from_text

__all__ = ["SPEC", "Factor", "Section", "Share", "Yuan", "e4", "fen", "key"]

SPEC = "allocation.md"


def fen(yuan: float) -> int:
    """An amount of a plan (yuan, as written in the file) in fen, exactly."""
    return fen_from_text(str(Decimal(repr(yuan))))


def e4(number: float) -> int:
    """A number of a plan, as written in the file, in ten-thousandths, exactly.

    Raises ValueError where it has more than four decimals that count.
    """
    count = Decimal(repr(number)).scaleb(4)
    if count != count.to_integral_value():
        raise ValueError("至多四位小数")
    return int(count)


def _two_decimals(yuan: float) -> float:
    try:
        fen(yuan)
    except ValueError as error:
        raise ValueError("金额至多两位小数") from error
    return yuan


def _four_decimals(number: float) -> float:
    e4(number)
    return number


Yuan = Annotated[float, Field(ge=0, le=1e11), AfterValidator(_two_decimals)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0, le=9), AfterValidator(_four_decimals)]


def key(
    description: str, *, unit: str = "", source: str = SPEC, default: Any = ..., **bounds: Any
) -> Any:
    """A described field; ``...`` as default means that the plan must state it."""
    extra: JsonDict = {"unit": unit, "source": source}
    return Field(default, description=description, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """A section of a plan: strict, whole, frozen."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )
