"""What an interpreter says of itself, as JSON on standard output.  Executed inside the image, by the build itself."""

import importlib.metadata
import json
import os
import pathlib
import platform
import struct
import subprocess
import sys
import sysconfig


def _is_gil_enabled() -> bool:
    try:
        return sys._is_gil_enabled()
    except AttributeError:  # before 3.13 there was nothing to ask
        return True


def _commit() -> str:
    """Tag or branch and commit of the git repository that it was compiled in; empty for one from a tarball."""
    _, tag, commit = sys._git
    return f"{tag} {commit}".strip()


def _jit() -> str:
    """On, off or none, of this very process; empty before 3.14, which cannot be asked."""
    jit = getattr(sys, "_jit", None)
    if jit is None:
        return ""
    if not jit.is_available():
        return "none"
    return "on" if jit.is_enabled() else "off"


def _allocator() -> str:
    """Of objects, where the environment does not choose another one."""
    variable = sysconfig.get_config_var
    if variable("Py_GIL_DISABLED") == 1:
        return "mimalloc"
    return "pymalloc" if variable("WITH_PYMALLOC") else "malloc"


_PROLOGUE = b"\x55\x48\x89\xe5"
"""push %rbp; mov %rsp,%rbp: how a function of x86-64 begins that keeps a frame pointer."""


def _frame_pointers() -> bool | None:
    """Whether the interpreter's functions keep frame pointers: packagers' flags do not tell, the machine code does.

    With them about every function begins so, several times per KiB of code; without them next to none does.
    """
    if platform.machine() != "x86_64":
        return None
    try:
        code = _code(_core())
    except (OSError, struct.error, ValueError):
        return None
    return code.count(_PROLOGUE) > len(code) / 4096


def _core() -> str:
    """The file that holds the interpreter: libpython where it is linked to one, otherwise the executable.

    Asked of the process itself: Debian's interpreter is static, while its Py_ENABLE_SHARED says shared.
    """
    for line in pathlib.Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if "/libpython" in line:
            return line.split(maxsplit=5)[5]
    return os.path.realpath("/proc/self/exe")


def _code(path: str) -> bytes:
    """The .text section of a 64-bit ELF file."""
    data = pathlib.Path(path).read_bytes()
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", data, table + number * size) for number in range(count)]
    for name, _, _, _, offset, length in sections:
        start = sections[names][4] + name
        if data[start : data.index(b"\0", start)] == b".text":
            return data[offset : offset + length]
    raise ValueError("no code")


def _system_packages() -> dict[str, str]:
    """Version of every package that dpkg has installed."""
    found = {}
    try:
        paragraphs = pathlib.Path("/var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n")
    except OSError:
        return {}
    for paragraph in paragraphs:
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
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
        "shared": "/libpython" in _core(),
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or " ".join(platform.libc_ver()),
        "machine": platform.machine(),
        "packages": {d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()},
        "turns_gil_on": {} if _is_gil_enabled() else _turns_gil_on(),
        "no_subinterpreters": _no_subinterpreters() if sys.version_info >= (3, 14) else {},
        "system_packages": _system_packages(),
        "commit": _commit(),
        "jit": _jit(),
        "tail_calls": variable("Py_TAIL_CALL_INTERP") == 1,
        "frame_pointers": _frame_pointers(),
        "allocator": _allocator(),
    }
    json.dump(facts, sys.stdout)


if __name__ == "__main__":
    main()
