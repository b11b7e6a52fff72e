"""What an interpreter says of itself, as JSON on standard output.  Executed inside the image, by the build itself."""

import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import sysconfig


def _is_gil_enabled() -> bool:
    try:
        return sys._is_gil_enabled()
    except AttributeError:  # before 3.13 there was nothing to ask
        return True


def _debian_packages() -> dict[str, str]:
    """Version of every installed package that brings an interpreter, from dpkg's database."""
    found = {}
    try:
        paragraphs = pathlib.Path("/var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n")
    except OSError:
        return {}
    for paragraph in paragraphs:
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if "python3" in fields.get("Package", "") and fields.get("Status", "").endswith(" installed"):
            found[fields["Package"]] = fields["Version"]
    return found


def main() -> None:
    variable = sysconfig.get_config_var
    facts = {
        "release": platform.python_version(),
        "version": " ".join(sys.version.split()),
        "free_threaded": variable("Py_GIL_DISABLED") == 1,
        "gil_enabled": _is_gil_enabled(),
        "executable": sys.executable,
        "base_executable": os.path.realpath(sys._base_executable),
        "compiler": platform.python_compiler(),
        "configure": variable("CONFIG_ARGS") or "",
        "shared": variable("Py_ENABLE_SHARED") == 1,
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or " ".join(platform.libc_ver()),
        "machine": platform.machine(),
        "packages": {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()},
        "debian_packages": _debian_packages(),
    }
    json.dump(facts, sys.stdout)


main()
