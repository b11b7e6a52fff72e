"""Groups, joins and text of frames of each thread's own, and a frame that all read."""

from _threads import compare

import numpy as np
import pandas as pd

SHARED = pd.DataFrame({"key": np.arange(200), "weight": np.arange(200) / 7})


def work(share: int) -> object:
    random = np.random.default_rng(share)
    mine = pd.DataFrame({"key": random.integers(0, 200, 4000), "value": random.random(4000)})
    found = []
    for _ in range(8):
        joined = mine.merge(SHARED, on="key")
        sums = (joined["value"] * joined["weight"]).groupby(joined["key"]).sum()
        found.append((float(sums.sum()), sums.to_csv()))
    return found


compare(work)
