"""Run by the engines' own environment: score a Parquet file by Spark or by Ray, as users do.

`score.py ENGINE MODEL_DIR DIGEST INPUT OUT`
"""

from __future__ import annotations

import os
import sys

from app.batch.arrow import Predictor


def by_spark(predictor: Predictor, rows: str, out: str) -> None:
    from pyspark.sql import SparkSession

    # The workers' Python is otherwise the first one in PATH.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000")
        .getOrCreate()
    )
    frame = session.read.parquet(rows).repartition(3)
    predictor.spark(frame).write.parquet(out)
    session.stop()


def by_ray(predictor: Predictor, rows: str, out: str) -> None:
    import ray

    # Two for the actors, one to read.
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    dataset = ray.data.read_parquet(rows, override_num_blocks=3)
    predictor.ray(dataset, concurrency=2, batch_size=1000).write_parquet(out)
    ray.shutdown()


if __name__ == "__main__":
    engine, model_dir, digest, rows, out = sys.argv[1:]
    chosen = Predictor(model_dir, digest, passthrough=["id"], probabilities=True)
    {"spark": by_spark, "ray": by_ray}[engine](chosen, rows, out)
