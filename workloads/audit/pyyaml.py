"""Documents read and written by libyaml where it is there, in each thread."""

from _threads import compare

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def work(share: int) -> object:
    mine = {"share": share, "rows": [{"id": n, "name": f"name {n}", "tags": ["a", "b"]} for n in range(60)]}
    found = []
    for _ in range(3):
        text = yaml.dump(mine, Dumper=DUMPER)
        found.append((text, yaml.load(text, Loader=LOADER) == mine))
    return found


compare(work)
