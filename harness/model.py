"""The data that a run consists of: frozen, typed, decoded strictly at the edge and never repaired later.

All of it is plain data (msgspec structs), so that a run directory is nothing but these structs as JSON.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

SCHEMA = 1
"""Version of run.json and outcomes.jsonl.  History: 1, the first (0.1.0)."""

WRONG_ANSWER_STATUS = 65
"""Exit status by which a workload says that its own answer is wrong (sysexits' EX_DATAERR)."""

FORKED_STATUS = 67
"""Exit status of a worker whose workload left a forked process in it: images/hook/gilometer_hook.py."""


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all structs here: immutable, unknown fields are errors."""


# -- builds ------------------------------------------------------------------------------------------------------------


class Source(StrEnum):
    """Where a build comes from."""

    SOURCE = "source"
    DEADSNAKES = "deadsnakes"
    DEBIAN = "debian"
    OFFICIAL = "official"
    """Docker's python images."""
    UV = "uv"
    """python-build-standalone, which uv installs."""
    HOST = "host"


class Isolation(StrEnum):
    """What separates the workers of a build from the rest of the machine."""

    CONTAINER = "container"
    NONE = "none"
    """Plain processes of the host: on the files of the build's image, or on the host's own where it has none."""


class Optimize(StrEnum):
    """How a build is optimised.  PACKAGED: as its packager chose, which `BuildFacts` then tells."""

    PLAIN = "plain"
    PGO_LTO = "pgo-lto"
    PACKAGED = "packaged"


class Compiler(StrEnum):
    """What a build from source is compiled by."""

    GCC = "gcc"
    CLANG = "clang"


class Build(Struct, frozen=True, kw_only=True):
    """An interpreter as builds.toml asks for it."""

    name: str
    series: str
    free_threaded: bool
    source: Source
    optimize: Optimize
    base: str = ""
    """Name of the base image in pins.toml; empty for interpreters of the host."""
    executable: str = ""
    """For Source.HOST: the interpreter, a path or a name on PATH."""
    compiler: Compiler = Compiler.GCC
    """For Source.SOURCE."""
    configure: tuple[str, ...] = ()
    """For Source.SOURCE: what ./configure is told beside what the other fields say."""
    jit: bool = False
    """The just-in-time compiler is on: compiled in from source, switched on in packages that have it."""

    @property
    def is_variant(self) -> bool:
        """Whether it is made in another way than builds of its kind are by default."""
        return bool(self.configure or self.jit or self.compiler is not Compiler.GCC)


class Environment(Struct, frozen=True, kw_only=True):
    """What a workload's lock file pins, installed for a build beside its own packages."""

    folder: str
    """Where a worker finds it; empty where it cannot be installed."""
    packages: dict[str, str] = {}
    """Name to version."""
    refusal: str = ""
    """Why it cannot be installed."""


class BuildFacts(Struct, frozen=True, kw_only=True):
    """What a build turned out to be: asked of the interpreter itself, inside its image, and of how it was made."""

    build: Build
    release: str
    """Full release, such as 3.13.5."""
    version: str
    """`sys.version`, on one line."""
    free_threaded: bool
    """`sysconfig.get_config_var("Py_GIL_DISABLED") == 1`."""
    gil_enabled: bool
    """`sys._is_gil_enabled()` of a fresh process; True where the release does not know the question."""
    executable: str
    compiler: str
    configure: str
    """`CONFIG_ARGS`, the arguments of ./configure."""
    optimize: str
    """What was really done: plain, pgo, lto, pgo-lto; from provenance where sysconfig does not tell."""
    link: str
    """shared or static libpython."""
    libc: str
    machine: str
    packages: dict[str, str]
    """Python packages that the workloads can import: name to version."""
    turns_gil_on: dict[str, str] = {}
    """Of these packages those whose extension modules turn the GIL back on: name to the module that does."""
    no_subinterpreters: dict[str, str] = {}
    """Of these packages those that no subinterpreter can import: name to what it says.  Known from 3.14 on."""
    image: str
    """Image id; empty for interpreters of the host."""
    base: str
    """Base image: readable tag and digest, or how it was bootstrapped."""
    recipe: str
    """Content hash of recipe and inputs."""
    origin: str
    """Where the interpreter's source or package came from, with its sha256 or package version."""
    ingredients: dict[str, str] = {}
    """Settings of the host that reached the build: proxies, extra CAs, apt settings; name to value or sha256."""
    isolation: Isolation = Isolation.CONTAINER
    environments: dict[str, Environment] = {}
    """By the sha256 of the lock file, `Workload.requirements`."""
    commit: str = ""
    """Tag or branch and commit, where it was compiled from a git repository: `sys._git`."""
    jit: str = ""
    """The just-in-time compiler: on, off (there, and not in use) or none; empty where the release cannot be asked."""
    tail_calls: bool | None = None
    """Whether the interpreter's instructions are functions that tail-call each other (Py_TAIL_CALL_INTERP)."""
    frame_pointers: bool | None = None
    """Whether its functions keep frame pointers, seen in its machine code; None where that cannot be told."""
    allocator: str = ""
    """Of objects: pymalloc, mimalloc or malloc."""
    system_packages: dict[str, str] = {}
    """What the image's package manager has installed: name to version."""
    layers: tuple[str, ...] = ()
    """Digests of the image's layers, the lowest first."""
    size: int = 0
    """Bytes of the image, all of its layers together."""


# -- workloads and cases -----------------------------------------------------------------------------------------------


class Size(StrEnum):
    """How much work a workload does per value."""

    QUICK = "quick"
    FULL = "full"
    PUBLISHED = "published"
    """As large as where the code was published, of workloads that stand for such code; of the others as FULL."""


class Strategy(StrEnum):
    """What shares a job."""

    SERIAL = "serial"
    """Nothing: all of it in the main thread."""
    THREADS = "threads"
    """Persistent threads, each with a part of its own."""
    POOL = "pool"
    """concurrent.futures.ThreadPoolExecutor."""
    PROCESSES = "processes"
    """concurrent.futures.ProcessPoolExecutor: parts and results travel between processes."""
    INTERPRETERS = "interpreters"
    """concurrent.futures.InterpreterPoolExecutor, of 3.14 and later: threads with an interpreter and a GIL each."""
    ASYNCIO = "asyncio"
    """Tasks of one event loop in the main thread."""


class Split(StrEnum):
    """What each of several threads (processes, ...) gets."""

    SHARE = "share"
    """Its share of one job: strong scaling."""
    WHOLE = "whole"
    """A whole job of its own: weak scaling."""


class Placement(StrEnum):
    """Where the threads of a workload may execute."""

    PINNED = "pinned"
    """Each on a CPU of its own."""
    FREE = "free"
    """Wherever the scheduler puts them, as in most programs."""


class Measure(StrEnum):
    """The question that a case's values answer."""

    TIME = "time"
    """When is the job done?  A value is the time from the start of the job to the end of its last part."""
    CAPACITY = "capacity"
    """How much work gets done meanwhile?  A value is the time per piece of work at the rate of all threads together,
    counted in a short window."""
    MEMORY = "memory"
    """How much memory does it take?  The peak of a fresh process in a fresh container; its values do not count."""

    @property
    def calibrated(self) -> bool:
        """Whether the loops of a value have to be found; otherwise a value is one loop."""
        return self is Measure.TIME


CAPACITY_WINDOW = 0.02
"""Seconds that a value of capacity takes; workloads/_parallel.py has the same: short windows share the CPUs' speed."""


class Workload(Struct, frozen=True, kw_only=True):
    """A pyperf script, and what its PEP 723 block says of it."""

    name: str
    """category/name, such as pure_python/cpu_bound."""
    path: str
    """Path below the workloads folder."""
    sha256: str
    """Of the script and the modules beside it that it can import."""
    summary: str = ""
    dependencies: tuple[str, ...] = ()
    """Names of the Python packages it imports."""
    strategies: tuple[Strategy, ...] = ()
    """Takes --threads and --strategy: what the parts of its job can be shared by; empty where it has no parts."""
    splits: tuple[Split, ...] = tuple(Split)
    """What each of several threads can get."""
    core: bool = False
    """Measured where nobody says what is to be."""
    sized: bool = False
    """Takes --size quick|full."""
    capacity: bool = False
    """Takes --measure capacity."""
    full_seconds: float = 0.0
    """About how long a value takes in full size on one thread, for estimates; 0 where it is not known."""
    published_seconds: float = 0.0
    """The same of the published size; 0 where there is none."""
    turn_seconds: float = 0.0
    """Of a turn of it, at least, where that is more than the plan's."""
    source: str = ""
    """Where a script of somebody's own was found, absolute; empty for those of Gilometer."""
    task: int = 0
    """Which of the script's benchmarks it is."""
    arguments: tuple[str, ...] = ()
    """What the script is told beside pyperf's options and ours."""
    requirements: str = ""
    """sha256 of the lock file of the script; empty where it needs nothing but what the images carry."""

    @property
    def category(self) -> str:
        return self.name.partition("/")[0]

    def size(self, wanted: Size) -> Size:
        """The one that it has where a plan wants this one."""
        return Size.FULL if wanted is Size.PUBLISHED and not self.published_seconds else wanted

    def seconds(self, wanted: Size) -> float:
        """About how long a value takes on one thread where a plan wants this size; 0 where it is not known."""
        return {Size.FULL: self.full_seconds, Size.PUBLISHED: self.published_seconds}.get(self.size(wanted), 0.0)


class Case(Struct, frozen=True, kw_only=True):
    """A workload, shared by so many threads (processes, ...) or by none, on one CPU set."""

    id: str
    """Readable and unique in a plan: "pure_python/cpu_bound threads=2 cpus=0-1"."""
    workload: str
    strategy: Strategy | None
    """None where the workload has no parts."""
    threads: int
    """How many of what the strategy names execute at once: threads, processes, interpreters or tasks."""
    cpus: tuple[int, ...]
    measure: Measure = Measure.TIME
    placement: Placement = Placement.PINNED
    split: Split = Split.SHARE

    @property
    def jobs(self) -> int:
        """How many whole jobs are done together."""
        return self.threads if self.split is Split.WHOLE else 1

    @property
    def by_threads(self) -> bool:
        """Whether plain threads share it, or nothing does."""
        return self.strategy in (None, Strategy.SERIAL, Strategy.THREADS)


# -- the plan ----------------------------------------------------------------------------------------------------------


class Profile(StrEnum):
    """How much time a run may take for how much precision."""

    QUICK = "quick"
    STANDARD = "standard"
    RIGOROUS = "rigorous"


Group = tuple[str, ...]
"""Case ids: blocks of the same cases are repetitions of each other."""

Seat = tuple[str, str]
"""Case id and build."""


class Block(Struct, frozen=True, kw_only=True):
    """One round of one workload on one CPU set."""

    index: int
    """Position in the plan, from 0."""
    workload: str
    cpus: tuple[int, ...]
    cases: tuple[str, ...]
    """Case ids; a block has one seat per case and build."""
    hash_seed: int
    """PYTHONHASHSEED, the same for all seats of the block."""
    order_seed: int
    """Shuffles the order of turns."""
    home: int
    """The CPU that one-thread seats are bound to in this block, where time is measured."""
    values: int
    """Turns per worker that are values; of a group that may stop, until its first look."""
    measure: Measure = Measure.TIME
    """Of all its cases."""
    settling: int = 0
    """Turns before each value, by the same worker, that are not values: caches are another worker's at first."""
    gauged: bool = False
    """Whether the speed of every CPU that a worker may use is gauged before and after each turn."""

    @property
    def group(self) -> Group:
        return self.cases


class Skipped(Struct, frozen=True, kw_only=True):
    """A case that the request covers and the plan leaves out, and why."""

    case: str
    reason: str


class Question(Struct, frozen=True, kw_only=True):
    """What a plan has to decide: whether some seats are as many times as fast (or frugal) as others."""

    claim: str
    """Id of the published claim that asks."""
    slow: tuple[Seat, ...]
    """One per workload; of several their geometric mean counts."""
    fast: tuple[Seat, ...]
    """In the same order."""
    low: float
    """Decided where the interval lies wholly inside these ends, or wholly outside of them."""
    high: float


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that will be executed, in order."""

    seed: int
    profile: Profile
    size: Size
    builds: tuple[str, ...]
    """Names; the first is the baseline."""
    workloads: tuple[Workload, ...]
    cases: tuple[Case, ...]
    blocks: tuple[Block, ...]
    skipped: tuple[Skipped, ...]
    warmups: int
    """Turns per worker that are not values."""
    turn_seconds: float
    """Loops are calibrated so that a turn takes at least this long, or as long as its workload asks for."""
    timeout_seconds: float
    """A worker that is silent for longer is stopped."""
    stress: bool = False
    """Whether it hunts races instead of measuring: threads take turns as often as they can."""
    target: float | None = None
    """Relative half-width of its widest interval at which a group stops; None: every block is executed."""
    budget_seconds: float | None = None
    """Seconds of blocks and calibrations after which no group gets more than its first look."""
    questions: tuple[Question, ...] = ()
    """Groups that they ask stop when they are decided, whatever the target."""


# -- the run -----------------------------------------------------------------------------------------------------------


class HostFacts(Struct, frozen=True, kw_only=True):
    """The machine, as far as it matters to a measurement."""

    name: str
    cpu_model: str
    cpus: tuple[int, ...]
    """CPUs that this process may use."""
    cores: int
    """Physical cores behind them."""
    memory: int
    """Bytes."""
    kernel: str
    distribution: str
    settings: dict[str, str]
    """Governor, turbo, SMT, isolated CPUs, ASLR, load and the like: what could be read, name to value."""

    @property
    def kind(self) -> tuple[str, int, int, int]:
        """Model and number of CPUs, cores, GiB of memory: it would not be the same machine without."""
        return self.cpu_model, len(self.cpus), self.cores, self.memory >> 30


class EngineFacts(Struct, frozen=True, kw_only=True):
    """What executed the workers."""

    kind: str
    """docker, host, or docker and chroot."""
    version: str
    isolation: str
    """One sentence: what separates a worker from the rest of the machine."""


class NoiseFloor(Struct, frozen=True, kw_only=True):
    """What this host shows between a build and itself in one case: smaller differences are no finding."""

    case: str
    """Its id."""
    change: float
    """Relative: 0.004 is 0.4 %."""


class Run(Struct, frozen=True, kw_only=True):
    """run.json."""

    schema: int
    id: str
    created: str
    """ISO 8601, UTC."""
    command: str
    """The exact command that makes the same run again."""
    gilometer: str
    """Version of the harness."""
    revision: str
    """git revision of the harness, with -dirty where it was; empty outside a checkout."""
    plan: Plan
    builds: tuple[BuildFacts, ...]
    host: HostFacts
    engine: EngineFacts
    warnings: tuple[str, ...]
    """What a reader must know before the numbers."""
    noise_floors: tuple[NoiseFloor, ...] = ()
    """As known when the run began (`inv aa`); cases without one have none."""


def cpu_list(cpus: tuple[int, ...]) -> str:
    """CPUs as the kernel writes them: (0, 1, 2, 5) is "0-2,5"."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """The opposite of `cpu_list`.  Raises ValueError on anything else."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))
