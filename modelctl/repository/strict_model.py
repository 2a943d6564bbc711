"""What models of files under environments/ share: nothing unknown, nothing converted."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

# Unknown keys and values of another type are refused.
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, validate_by_name=True)
Text = Annotated[str, StringConstraints(min_length=1)]
