# CPython as python-build-standalone publishes it and uv installs it: one archive, unpacked at /opt/python, where workloads
# find all others.  The context is that of source.Dockerfile; python.tar is the archive, verified before it came here.

ARG BASE

FROM ${BASE} AS unpacked
LABEL org.gilometer=1
COPY python.tar /python.tar
RUN mkdir /opt/python && tar -xf /python.tar -C /opt/python --strip-components=1 && rm /python.tar

FROM unpacked AS complete
COPY host/ /host/
COPY requirements.txt /requirements.txt
RUN set -eu; \
    if [ -s /host/ca.crt ]; then export PIP_CERT=/host/ca.crt; fi; \
    export PIP_CONFIG_FILE=/host/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
    python=/opt/python/bin/python3; \
    [ -e /opt/python/bin/python ] || ln -s python3 /opt/python/bin/python; \
    rm -f /opt/python/lib/python3.*/EXTERNALLY-MANAGED; \
    $python -m pip --version || $python -m ensurepip; \
    $python -m pip install --no-cache-dir --no-compile --no-warn-script-location \
        --require-hashes --only-binary=:all: --no-deps -r /requirements.txt; \
    $python -m pip uninstall -y pip; \
    find /opt/python -depth -type d \( -name test -o -name tests -o -name idle_test \) -exec rm -rf {} +; \
    find /opt/python -name '*.pyc' -delete; \
    $python -m compileall -q -j0 --invalidation-mode=unchecked-hash /opt/python/lib

FROM ${BASE}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin gilometer
COPY --from=complete /opt/python /opt/python
ENV PATH=/opt/python/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER gilometer
CMD ["python"]
