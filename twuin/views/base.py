"""The root of what the API sends and takes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Knows its fields, and changes none of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limited(Model):
    """A value with its 95 % limits."""

    value: float
    low: float
    high: float
