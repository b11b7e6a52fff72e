"""The house has floors: a room imports only from lower ones, and each outside library has its one room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FLOORS = {
    1: {
        "audit",
        "remedies",
        "claims",
        "model",
        "journal",
        "errors",
        "fleet",
        "progress",
        "stats",
        "planning",
        "pooling",
        "questions",
        "ranks",
        "gauge",
        "ratios",
        "scaling",
        "steps",
        "validity",
    },
    2: {
        "authors",
        "builds",
        "certificates",
        "conducting",
        "dispatch",
        "engine",
        "floors",
        "host",
        "interpreters",
        "ledger",
        "lock",
        "network",
        "noise",
        "lockstep",
        "offers",
        "plan",
        "provenance",
        "requirements",
        "pyperformance",
        "samples",
        "scaffold",
        "scripts",
        "specs",
        "stopping",
        "store",
        "table",
        "troubles",
        "tuning",
        "workbench",
    },
    3: {
        "chroot_engine",
        "docker_client",
        "docker_engine",
        "docker_images",
        "usher",
        "bases",
        "buildlog",
        "bundle",
        "equipment",
        "execution",
        "host_builds",
        "host_engine",
        "images",
        "pinning",
        "probing",
        "provision",
        "rehearsal",
        "request",
        "screen",
        "sources",
        "standalone",
        "trees",
        "wire",
    },
    4: {
        "advising",
        "archive",
        "auditing",
        "comparing",
        "delivery",
        "fleet_telling",
        "fleets",
        "founding",
        "reproducing",
        "runs",
        "session",
        "shipping",
        "showroom",
        "station",
        "workshop",
    },
}
WITH_PAGES = {"advising", "archive", "auditing", "comparing", "fleet_telling", "reproducing", "runs", "showroom"}
"""Rooms of harness/ that show something: they may import reports/."""
REPORTS = {
    1: {"evidence", "marks", "words"},
    2: {"dependencies", "drawing", "findings", "markdown"},
    3: {"accounts", "charts", "laws", "parity", "prose", "records", "repeats"},
    4: {"advice", "classes", "compare", "drift", "effects", "measured", "plain", "strategies", "verdict"},
    5: {
        "analysis",
        "compare_prose",
        "fleet_prose",
        "imported",
        "outlook",
        "releases",
        "reproduction",
        "sections",
        "stress",
        "summary",
    },
    6: {
        "across",
        "audit_text",
        "compare_text",
        "reproduction_prose",
        "reproduction_text",
        "digest",
        "page",
        "release_prose",
    },
    7: {
        "audit_page",
        "outlook_text",
        "compare_page",
        "fleet_page",
        "imported_page",
        "release_page",
        "reproduction_page",
        "trends",
    },
    8: {"index"},
}
SIDEWAYS = {  # arrows within a floor: few, listed, and never in a circle
    ("host_builds", "sources"),
    ("pooling", "ranks"),
    ("audit", "errors"),
    ("audit", "model"),
    ("remedies", "audit"),
    ("remedies", "model"),
    ("authors", "engine"),
    *(("conducting", room) for room in ("dispatch", "store", "troubles")),
    ("dispatch", "stopping"),
    ("dispatch", "store"),
    ("offers", "host"),
    ("offers", "scripts"),
    ("offers", "workbench"),
    ("claims", "errors"),
    ("claims", "model"),
    ("planning", "model"),
    *(("questions", room) for room in ("gauge", "journal", "model", "ratios", "stats")),
    ("builds", "specs"),
    ("scaffold", "scripts"),
    ("pyperformance", "requirements"),
    ("pyperformance", "scripts"),
    ("scripts", "requirements"),
    ("specs", "pyperformance"),
    ("specs", "scripts"),
    ("troubles", "authors"),
    ("workbench", "scripts"),
    ("lockstep", "engine"),
    ("noise", "tuning"),
    ("fleet_telling", "runs"),
    ("delivery", "session"),
    ("delivery", "shipping"),
    ("fleets", "delivery"),
    ("fleets", "fleet_telling"),
    ("fleets", "runs"),
    ("fleets", "session"),
    ("fleets", "station"),
    ("station", "session"),
    ("archive", "runs"),
    ("advising", "auditing"),
    ("advising", "runs"),
    ("advising", "session"),
    ("auditing", "runs"),
    ("auditing", "session"),
    ("comparing", "runs"),
    ("reproducing", "comparing"),
    ("reproducing", "runs"),
    ("runs", "session"),
    ("shipping", "session"),
    ("showroom", "session"),
    ("workshop", "session"),
    ("chroot_engine", "docker_engine"),
    ("chroot_engine", "host_engine"),
    ("docker_engine", "docker_client"),
    ("docker_engine", "usher"),
    ("probing", "docker_client"),
    ("probing", "docker_engine"),
    ("probing", "equipment"),
    ("docker_images", "docker_client"),
    ("bases", "docker_client"),
    ("bases", "docker_images"),
    ("bases", "network"),
    ("bases", "provision"),
    ("equipment", "docker_client"),
    ("equipment", "docker_images"),
    ("host_builds", "equipment"),
    ("images", "bases"),
    ("images", "equipment"),
    ("images", "buildlog"),
    ("images", "docker_client"),
    ("images", "docker_images"),
    ("images", "sources"),
    ("images", "trees"),
    ("trees", "sources"),
    ("images", "standalone"),
    ("pinning", "sources"),
    ("standalone", "sources"),
    ("provision", "docker_client"),
    ("stats", "ranks"),
    ("steps", "ranks"),
    ("steps", "stats"),
    ("fleet", "journal"),
    ("fleet", "model"),
    ("gauge", "journal"),
    ("journal", "model"),
    ("ratios", "gauge"),
    ("ratios", "journal"),
    ("ratios", "model"),
    ("ratios", "stats"),
    ("scaling", "ranks"),
    ("scaling", "stats"),
    ("validity", "journal"),
    ("validity", "model"),
}
LIBRARIES = {
    "altair": {"reports.charts", "reports.drawing"},
    "cryptography": {"harness.certificates"},
    "cyclonedx": {"harness.provenance"},
    "dask": {"harness.wire"},
    "distributed": {"harness.wire"},
    "docker": {"harness.docker_client", "harness.docker_engine", "harness.docker_images"},
    "invoke": {"tasks"},
    "jinja2": {"reports.page"},
    "numpy": {
        "harness.stats",
        "harness.planning",
        "harness.ranks",
        "harness.scaling",
        "harness.steps",
        "reports.measured",
    },
    "packageurl": {"harness.provenance"},
    "pyperf": {"harness.samples", "reports.imported"},
    "requests": {"harness.sources", "harness.docker_client", "harness.docker_images", "harness.pinning"},
    "rich": {"harness.screen"},
    "scipy": {"harness.stats", "harness.planning", "harness.pooling", "harness.ranks", "harness.scaling"},
    "sigstore": {"harness.pinning"},
    "tomlkit": {"harness.pinning"},
    "vl_convert": {"reports.drawing"},
}


def _imports(path: Path) -> set[str]:
    """Modules that a file imports, `from harness import x` counted as harness.x."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {f"{module}.{name.name}" for name in names} if module in ("harness", "reports") else {module}
    return found


def _rooms() -> list[tuple[str, Path]]:
    folders = (ROOT / "harness", ROOT / "reports")
    rooms = [(f"{f.name}.{p.stem}", p) for f in folders for p in sorted(f.glob("*.py")) if p.stem != "__init__"]
    return [*rooms, ("tasks", ROOT / "tasks.py")]


def _floor(room: str, floors: dict[int, set[str]] = FLOORS) -> int:
    (floor,) = [floor for floor, rooms in floors.items() if room in rooms]
    return floor


@pytest.mark.parametrize(("name", "path"), _rooms(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_room_imports_from_lower_floors_only(name: str, path: Path) -> None:
    wing, _, room = name.rpartition(".")
    for imported in _imports(path):
        other_wing, _, rest = imported.partition(".")
        other = rest.partition(".")[0]
        if other_wing == "reports":
            assert wing == "reports" or room in WITH_PAGES, f"{name} imports {imported}"
            assert wing != "reports" or _floor(other, REPORTS) < _floor(room, REPORTS), f"{name} imports {imported}"
        if other_wing == "harness" and other and other != "__version__":
            if wing == "reports":
                assert _floor(other) == 1 or other == "store", f"{name} imports {imported}"
            elif wing == "harness":
                allowed = _floor(other) < _floor(room) or (room, other) in SIDEWAYS
                assert allowed, f"{name} (floor {_floor(room)}) imports {imported} (floor {_floor(other)})"


@pytest.mark.parametrize(("name", "path"), _rooms(), ids=lambda value: value if isinstance(value, str) else "")
def test_an_outside_library_has_its_one_room(name: str, path: Path) -> None:
    for imported in _imports(path):
        library = imported.partition(".")[0]
        assert name in LIBRARIES.get(library, {name}), f"{name} imports {library}"


@pytest.mark.parametrize("folder", ["images", "workloads"])
def test_files_inside_a_container_never_import_the_harness(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        assert not any(name.partition(".")[0] in ("harness", "reports") for name in _imports(path)), path
