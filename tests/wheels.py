"""Wheels and source archives that tests make up, in a folder that serves as an index."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

PURE = "py3-none-any"

_EXTENSION = """
#include <Python.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

static volatile long counter;

static PyObject *count(PyObject *module, PyObject *times)
{
    for (long left = PyLong_AsLong(times); left > 0; left--) {
        long seen = counter;
        if (left % 64 == 0)
            sched_yield();  /* another thread's turn, also on a single CPU */
        counter = seen + 1;
    }
    return PyLong_FromLong(counter);
}

static int execute(PyObject *module) { EXECUTE; return 0; }

static PyMethodDef methods[] = {{"count", count, METH_O, NULL}, {NULL}};
static PyModuleDef_Slot slots[] = {{Py_mod_exec, execute}, SLOTS {0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "NAME", NULL, 0, methods, slots};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModuleDef_Init(&definition); }
"""
_DECLARES = "{Py_mod_gil, Py_MOD_GIL_NOT_USED},"


def extension(name: str, includes: Path, *, declares: bool = True, execute: str = "") -> bytes:
    """A compiled extension module that counts without a lock, and does `execute`, some C, when it is imported."""
    source = _EXTENSION.replace("NAME", name).replace("SLOTS", _DECLARES * declares).replace("EXECUTE", execute)
    library = includes.parent / f"{name}.so"
    compile_ = ["gcc", "-x", "c", "-", "-O1", "-shared", "-fPIC", f"-I{includes}", "-o", str(library)]
    subprocess.run(compile_, input=source, text=True, check=True)
    return library.read_bytes()


def wheel(name: str, files: Mapping[str, bytes | str], tag: str = PURE, *, version: str = "1.0") -> bytes:
    """A wheel of `files`, by their paths."""
    info = f"{name}-{version}.dist-info"
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: false\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", record)
    return written.getvalue()


def put(folder: Path, name: str, files: Mapping[str, bytes | str], tag: str = PURE, *, version: str = "1.0") -> None:
    """Write a wheel to a folder."""
    (folder / f"{name}-{version}-{tag}.whl").write_bytes(wheel(name, files, tag, version=version))


def put_source(folder: Path, name: str, setup: str, *, version: str = "1.0") -> None:
    """Write a source archive whose build executes `setup`, some Python, and needs nothing."""
    made = wheel(name, {f"{name}.py": ""}, version=version)
    backend = (
        f"{setup}\n\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        f"    name = '{name}-{version}-{PURE}.whl'\n"
        f"    open(f'{{folder}}/{{name}}', 'wb').write({made!r})\n"
        "    return name\n"
    )
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        "backend.py": backend,
    }
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
