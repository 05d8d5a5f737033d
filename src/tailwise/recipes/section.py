"""What the sections of a recipe are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Epoch = Annotated[int, Field(ge=0, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
Size = Annotated[int, Field(gt=0, lt=2**31, strict=True)]
Width = Annotated[int, Field(gt=0, le=2**16, strict=True)]


class Section(BaseModel):
    """A part of a recipe; a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
