"""`check --base` does the same work however many models there are; `make bench-check` times it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.check import everything, generate, one_change
from modelctl import proc
from modelctl.repository import strict_yaml


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every program that is run and every text that is parsed, as it happens."""
    done: list[str] = []
    run, parse = proc.run, strict_yaml.parse

    def counted_run(argv: list[str], **options: Any) -> str:
        done.append(next(word for word in argv[3:] if word.isidentifier() or "-" in word[1:]))
        return run(argv, **options)

    def counted_parse(text: str | bytes, path: Path) -> Any:
        done.append(path.name)
        return parse(text, path)

    monkeypatch.setattr(proc, "run", counted_run)
    monkeypatch.setattr(strict_yaml, "parse", counted_parse)
    return done


def test_the_check_of_one_change_does_not_grow_with_the_models(
    tmp_path: Path, work: list[str]
) -> None:
    counts = []
    for models in (2, 20):
        repository = generate(tmp_path / str(models), models)
        work.clear()
        one_change(repository)
        counts.append(sorted(work))
    assert counts[0] == counts[1]
    assert len(counts[0]) <= 14, counts[0]


def test_the_whole_check_reads_each_file_once(tmp_path: Path, work: list[str]) -> None:
    repository = generate(tmp_path, 5)
    work.clear()
    everything(repository)
    # The list of environments is read before; the chart's values, for their markers, once too.
    files = [path.name for path in (tmp_path / "environments").rglob("*.yaml")]
    files[files.index("environments.yaml")] = "values.yaml"
    assert sorted(name for name in work if name.endswith(".yaml")) == sorted(files)
