"""Gilometer's measuring wing.  The words it uses, everywhere and always in this sense:

build
    An interpreter that can be compared: a release, with or without the GIL, from a source, optimised somehow.
image
    The container image that a build became.
workload
    A pyperf script.
case
    A workload at one strategy and thread count on one CPU set.
seat
    A worker's place in a block: one case on one build.
block
    One round of one workload on one CPU set: one worker process per seat, all alive at once, taking turns value by
    value in lockstep.  Two values of the same turn number are a pair.
settling
    The turn right before a value, by the same worker: it fills the caches again and does not count.
gauge
    How long a short fixed loop takes on each CPU, before and after a turn: it tells how fast the CPUs were.
ledger
    What else happened on the machine while a block was measured; by its rules a block is valid or invalid.
noise floor
    The difference that this host shows between a build and itself in a case.
group
    All blocks of the same cases (a workload and what is measured of it, on one CPU set): what stops together.
look
    A preset number of blocks at which a group may stop.
plan
    Every block in order, written before the first one executes.
sample
    The values that one worker measured, in seconds, as measured.
outcome
    What became of a seat: a sample or a failure.
run
    A directory with a plan, its outcomes, the environment and the pages.  "Run" is always the noun; the verb is
    "execute".
"""

__version__ = "0.1.0"
