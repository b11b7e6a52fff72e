"""What an interpreter says of itself, as JSON on standard output.  Executed inside the image, by the build itself."""

import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import sysconfig


def _is_gil_enabled() -> bool:
    try:
        return sys._is_gil_enabled()
    except AttributeError:  # before 3.13 there was nothing to ask
        return True


def _uses_shared_library() -> bool:
    """Asked of the process itself: Debian's interpreter is static, while its Py_ENABLE_SHARED says shared."""
    return "/libpython" in pathlib.Path("/proc/self/maps").read_text(encoding="utf-8")


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


def _extension_modules() -> dict[str, list[str]]:
    """The extension modules of each package that has any, without its tests."""
    found = {}
    for distribution in importlib.metadata.distributions():
        files = [file for file in distribution.files or () if file.suffix == ".so" and "test" not in str(file)]
        if files:
            modules = sorted(".".join((*file.parts[:-1], file.name.partition(".")[0])) for file in files)
            found[distribution.metadata["Name"].lower()] = modules
    return found


_IMPORT_UNTIL_GIL = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        pass
    if sys._is_gil_enabled():
        sys.exit(name)
"""


def _turns_gil_on() -> dict[str, str]:
    """Packages whose extension modules turn the GIL back on: name to the first module that does.

    Each package is tried in a process of its own; to know, one has to import.
    """
    found = {}
    for name, modules in _extension_modules().items():
        command = [sys.executable, "-I", "-W", "ignore", "-c", _IMPORT_UNTIL_GIL, *modules]
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if ended.returncode == 1:
            found[name] = ended.stderr.strip().splitlines()[-1]
    return found


_IMPORT_IN_SUBINTERPRETER = """
import sys
from concurrent import interpreters
interpreters.create().exec("import importlib\\nfor name in " + repr(sys.argv[1:]) + ": importlib.import_module(name)")
"""


def _no_subinterpreters() -> dict[str, str]:
    """Packages with an extension module that no subinterpreter can import: name to the last line of what it says."""
    found = {}
    for name, modules in _extension_modules().items():
        command = [sys.executable, "-I", "-W", "ignore", "-c", _IMPORT_IN_SUBINTERPRETER, *modules]
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if ended.returncode != 0:
            found[name] = next(iter(ended.stderr.strip().splitlines()[-1:]), f"exit status {ended.returncode}")
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
        "shared": _uses_shared_library(),
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or " ".join(platform.libc_ver()),
        "machine": platform.machine(),
        "packages": {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()},
        "turns_gil_on": {} if _is_gil_enabled() else _turns_gil_on(),
        "no_subinterpreters": _no_subinterpreters() if sys.version_info >= (3, 14) else {},
        "debian_packages": _debian_packages(),
    }
    json.dump(facts, sys.stdout)


main()
