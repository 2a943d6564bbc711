"""Where the repository is: asked for here, so that a test module may move."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
