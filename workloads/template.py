# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Counts the words of some texts."
# strategies = ["threads", "pool", "processes", "interpreters"]
# capacity = true
# ///
"""What real code this stands for, in a paragraph.

    ./inv bench --workloads ./template.py
    ./inv bench --workloads ./template.py --strategies all --threads 1,2,4

Modules beside this file can be imported, and are measured as they are now.  What else it imports is pinned in
template.requirements.txt beside it; name it in `dependencies` above, and write template.requirements.in, then:

    uv pip compile --universal --generate-hashes template.requirements.in -o template.requirements.txt

Everything about it: docs/adding-a-workload.md.
"""

from collections import Counter

from gilometer import bench

# What is worked on: made the same way in every worker, and not timed.  All of it together keeps one thread busy for 20
# to 60 milliseconds; capacity is measured in 48 pieces of it.
TEXTS = [f"the {number} of the {number % 7} and the rest " * 40 for number in range(1_200)]


def work(text: str) -> int:
    """What is timed, once for each text.

    Several threads execute it at the same time: it changes nothing that they share.  What it returns is compared with
    what it returns when nothing else is under way.
    """
    return Counter(text.split()).most_common(1)[0][1]


if __name__ == "__main__":
    bench(work, TEXTS)
