"""Tables made, computed and written to Parquet and back, in each thread, and a table that all read."""

import io

from _threads import compare

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SHARED = pa.table({"key": list(range(1000)), "name": [f"name {n}" for n in range(1000)]})


def work(share: int) -> object:
    found = []
    for turn in range(6):
        mine = pa.table({"key": list(range(2000)), "value": [(n * (share + 3) + turn) % 97 for n in range(2000)]})
        file = io.BytesIO()
        pq.write_table(mine.join(SHARED, "key").sort_by("key"), file)
        back = pq.read_table(io.BytesIO(file.getvalue()), use_threads=False)
        found.append((pc.sum(back["value"]).as_py(), back.slice(0, 50).to_pylist()))
    return found


compare(work)
