"""Add a column of answers to a Parquet file.

    python examples/score_parquet.py [FOLDER]

Needs samebits[batch]. Bytes of the other columns are copied as they are, never decoded.
"""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 200_000


def main(folder: Path) -> None:
    """Write readings in °F of two stations, some missing; add °C by the model f2c."""
    readings = np.random.default_rng(7).uniform(25, 80, ROWS).round(1)
    missing = np.arange(ROWS) % 1000 == 0
    table = pa.table(
        {
            "station": pa.array(np.where(np.arange(ROWS) % 2, "Basel", "Zürich")),
            "temp_f": pa.array(readings, mask=missing),
        }
    )
    pq.write_table(table, folder / "day.parquet")

    infer = Path(sysconfig.get_path("scripts"), "infer")
    command = [infer, "score", "day.parquet", "scored.parquet", "--model", "f2c"]
    subprocess.run([*command, "--column", "temp_f", "--as", "temp_c"], cwd=folder, check=True)

    scored = pq.read_table(folder / "scored.parquet")
    print(f"columns: {', '.join(scored.column_names)}; temp_c is {scored['temp_c'].type}")
    means = scored.group_by("station").aggregate([("temp_c", "mean")]).sort_by("station")
    for row in means.to_pylist():
        print(f"{row['station']}: mean {row['temp_c_mean']:.2f} °C")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else tempfile.mkdtemp(prefix="samebits-")))
