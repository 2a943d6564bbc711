"""The models and environments that tests work with: a fork changes its own, and not these."""

from __future__ import annotations

from pathlib import Path

# dev, staging and production, each with diabetes, iris and penguins set up and nothing released.
ENVIRONMENTS = Path(__file__).parent / "environments"
