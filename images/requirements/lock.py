"""Makes every lock file of the images: cp*.txt, and those of the benchmarks of pyperformance that need packages.

    python images/requirements/lock.py

The cp*.txt, made from requirements.in, have exact versions and the hashes of exactly the wheels that fit an ABI: every
image of that ABI carries these packages.  Fails where one has no wheel for an ABI, unless that is said below.

Those in pyperformance/, each made from the .in file beside it, serve all interpreters, and an interpreter that cannot
have what they pin does without that benchmark.  Versions that no .in file names stay as they are in a lock that is
there; remove it to get the newest.

Needs uv and packaging beside the interpreter that executes it.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

HERE = Path(__file__).parent
SUITE = HERE / "pyperformance"
UV = (
    Path(sys.executable).with_name("uv"),
    *("pip", "compile", "--quiet", "--universal", "--no-header", "--python-version", "3.13"),
)
ABIS = ("cp313", "cp313t", "cp314", "cp314t", "cp315", "cp315t")
NO_WHEEL = {
    "cp313t": dict.fromkeys(("lxml", "selectolax"), "has no wheel for the free-threaded 3.13"),
    "cp315t": {"psutil": "has no wheel for the free-threaded 3.15, which loads no abi3; pyperf does without"},
}


def fits(wheel: str, abi: str) -> bool:
    """Whether a wheel can be installed into an interpreter of this ABI on Linux with glibc, x86-64 or 64-bit ARM."""
    abis = {abi, "none"} if abi.endswith("t") else {abi, "abi3", "none"}
    return any(
        tag.abi in abis and (tag.platform == "any" or re.match(r"manylinux.*_(x86_64|aarch64)$", tag.platform))
        for tag in parse_wheel_filename(wheel)[3]
    )


def resolve() -> list[dict]:
    """Packages of the lock that uv makes for every platform, with their wheels."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "pylock.toml"
        options = ["--format", "pylock.toml", "--output-file", target]
        subprocess.run([*UV, *options, HERE / "requirements.in"], check=True, stdout=subprocess.DEVNULL)
        return tomllib.loads(target.read_text())["packages"]


def lock(abi: str, packages: list[dict]) -> str:
    """The text of one cp*.txt."""
    series, t = re.fullmatch(r"cp3(\d+)(t?)", abi).groups()
    version = {"python_version": f"3.{series}", "python_full_version": f"3.{series}.0"}
    left_out = NO_WHEEL.get(abi, {})
    lines = [f"# Wheels for 3.{series}{t}.  Made by lock.py from requirements.in; not to be edited."]
    lines += [f"# Left out: {name} {reason}." for name, reason in left_out.items()]
    for package in packages:
        if package["name"] in left_out or not Marker(package.get("marker", "python_version > '3'")).evaluate(version):
            continue
        wheels = {Path(urlsplit(w["url"]).path).name: w["hashes"]["sha256"] for w in package["wheels"]}
        hashes = [f"    --hash=sha256:{sha256}" for name, sha256 in sorted(wheels.items()) if fits(name, abi)]
        pinned = f"{package['name']}=={package['version']}"
        if not hashes:
            sys.exit(f"{pinned} has no wheel for {abi}")
        lines.append(" \\\n".join([pinned, *hashes]))
    return "\n".join(lines) + "\n"


def lock_benchmark(source: Path) -> Path:
    """The lock that uv makes of an .in file, with the hashes of everything that there is of each package."""
    target = source.with_suffix(".txt")
    options = ["--no-annotate", "--generate-hashes", "--output-file", target]
    subprocess.run([*UV, *options, source], check=True, stdout=subprocess.DEVNULL)
    return target


if __name__ == "__main__":
    found = resolve()
    for abi in ABIS:
        (HERE / f"{abi}.txt").write_text(lock(abi, found))
        print(f"{abi}.txt")
    for source in sorted(SUITE.glob("*.in")):
        print(lock_benchmark(source).relative_to(HERE), flush=True)
