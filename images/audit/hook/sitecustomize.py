"""Watches the setup scripts of a source archive: on the path of whatever a build starts, but not of pip itself."""

import os
import sys

if sys.orig_argv[1:3] != ["-m", "pip"]:
    sys.path.append("/desk/audit")
    import watch

    _file = os.open("/tmp/attempts", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    watch.Watch(watch.to_descriptor(_file))
