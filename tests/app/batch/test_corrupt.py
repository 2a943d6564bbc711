"""One byte of a Parquet file that is another: its row group is named, no other one suffers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.batch import planning
from app.batch.attempts import Attempts, Failure
from app.batch.folders import LocalFolder
from app.batch.model import load
from app.batch.shard import ShardRunner
from app.model.bundle import verify
from tests import trained
from tests.modelctl.batch.test_run import FEATURES, contents, modelctl, plan, read, rows, write

GROUP_ROWS, GROUPS = 30, 40
COLUMNS = ("id", *FEATURES)


def flipped(file: Path, seed: int) -> None:
    """One bit of each row group, anywhere in the pages of one of the columns."""
    random = np.random.default_rng(seed)
    metadata, data = pq.read_metadata(file), bytearray(file.read_bytes())
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(int(random.integers(len(COLUMNS))))
        pages = (chunk.data_page_offset, chunk.dictionary_page_offset)
        start = min(page for page in pages if page)
        at = start + int(random.integers(chunk.total_compressed_size))
        data[at] ^= 1 << int(random.integers(8))
    file.write_bytes(data)


def predicted(file: Path, out: Path) -> dict[int, Failure]:
    """Plan and predict each row group as a part; those that failed."""
    bundle, folder = trained.bundle("penguins"), LocalFolder(out)
    request = planning.Request(
        bundle=verify(bundle),
        path="",
        inputs=(str(file),),
        shard_rows=GROUP_ROWS,
        chunk_rows=1000,
        passthrough=("id",),
    )
    made = planning.make(request, folder)
    planning.write(made, folder)
    model = load(bundle, made.bundle.digest)
    attempts = Attempts(ShardRunner(made, folder, model), folder)
    done = {index: attempts.write(index, lambda _: None) for index in range(len(made.shards))}
    assert len(done) == GROUPS
    return {index: one for index, one in done.items() if isinstance(one, Failure)}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("has_checksums", [False, True], ids=["plain", "checksums"])
def test_a_flipped_bit_is_an_error_of_its_row_group(
    codec: str, seed: int, has_checksums: bool, tmp_path: Path
) -> None:
    file = tmp_path / "rows.parquet"
    frame = rows(GROUP_ROWS * GROUPS, seed)
    options = {"compression": codec, "write_page_checksum": has_checksums}
    frame.to_parquet(file, row_group_size=GROUP_ROWS, **options)
    assert not predicted(file, tmp_path / "intact")
    flipped(file, seed)
    failed = predicted(file, tmp_path / "out")
    assert failed
    for index, failure in failed.items():
        assert failure.fields["what"] == f"row group {index} of rows.parquet cannot be read"
        assert not failure.is_transient
    if not has_checksums:
        return
    # Nothing that was read is another value; a flip may hit what nobody reads, such as statistics.
    assert len(failed) > GROUPS / 2
    for folder in (".", "rejected"):
        pattern = f"{folder}/*.parquet"
        intact, found = read(tmp_path / "intact" / pattern), read(tmp_path / "out" / pattern)
        intact = intact[~(intact["row"] // GROUP_ROWS).isin(failed)].reset_index(drop=True)
        pd.testing.assert_frame_equal(found.astype(str), intact.astype(str))


def test_texts_that_are_none_are_named_and_not_passed_on(tmp_path: Path) -> None:
    frame = rows(90)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    notes = pa.array([b"good"] * 40 + [b"\xff\xfe"] + [b"good"] * 49, pa.binary()).view(pa.string())
    file = tmp_path / "rows.parquet"
    pq.write_table(table.append_column("note", notes), file, row_group_size=30)
    words = ("--ignore", "id", "--passthrough", "note")
    plan(file, tmp_path / "out", *words)
    said = modelctl("run", tmp_path / "out", code=1)
    # The part has three row groups, and a chunk of them all.
    assert "row groups 0 to 2 of rows.parquet cannot be read" in said
    plan(file, tmp_path / "parts", *words, "--shard-rows", 30)
    said = modelctl("run", tmp_path / "parts", code=1)
    assert "row group 1 of rows.parquet cannot be read" in said
    assert len(list((tmp_path / "parts").glob("part-*.parquet"))) == 2


def test_a_file_that_is_put_right_needs_another_plan(tmp_path: Path) -> None:
    file = write(rows(210), tmp_path / "rows.parquet")
    good, out = file.read_bytes(), tmp_path / "out"
    data = bytearray(good)
    chunk = pq.read_metadata(file).row_group(1).column(1)
    data[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 255
    data[chunk.data_page_offset] ^= 255
    file.write_bytes(data)
    plan(file, out, "--ignore", "id", "--shard-rows", 70)
    said = modelctl("run", out, code=1)
    assert "row group 1 of rows.parquet cannot be read" in said
    assert "plan again into another folder" in " ".join(said.split())
    file.write_bytes(good)
    assert "changed after it was planned" in modelctl("run", out, code=3)
    plan(file, tmp_path / "again", "--ignore", "id", "--shard-rows", 70)
    modelctl("run", tmp_path / "again")
    assert "_SUCCESS.json" in contents(tmp_path / "again")
