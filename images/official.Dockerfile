# CPython as Docker's python images have it, in a virtual environment at /opt/python so that workloads find it where they
# find all others.  The base is such an image.  The context is that of source.Dockerfile, without python.tar; nothing is
# installed by apt.

ARG BASE

# Those images have no byte code, and no worker could write it: all other builds have theirs.
FROM ${BASE} AS compiled
LABEL org.gilometer=1
RUN python=/usr/local/bin/python3; \
    $python -m compileall -q -j0 --invalidation-mode=unchecked-hash \
        "$($python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"

FROM compiled AS complete
COPY host/ /host/
COPY requirements.txt /requirements.txt
RUN set -eu; \
    if [ -s /host/ca.crt ]; then export PIP_CERT=/host/ca.crt; fi; \
    export PIP_CONFIG_FILE=/host/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
    /usr/local/bin/python3 -m venv /opt/python; \
    python=/opt/python/bin/python; \
    $python -m pip install --no-cache-dir --no-compile --no-warn-script-location \
        --require-hashes --only-binary=:all: --no-deps -r /requirements.txt; \
    $python -m pip uninstall -y pip; \
    $python -m compileall -q --invalidation-mode=unchecked-hash \
        "$($python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

FROM compiled
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin gilometer
COPY --from=complete /opt/python /opt/python
ENV PATH=/opt/python/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER gilometer
CMD ["python"]
