# CPython as Debian packages it, in a virtual environment at /opt/python so that workloads find it where they find all
# others.  The context is that of source.Dockerfile, without python.tar.

ARG BASE

FROM ${BASE} AS packages
LABEL org.gilometer=1
COPY host/ /host/
ARG PACKAGE
# The final stage installs its packages from /debs: it needs no network, and nothing of the host is left in it.
RUN set -eu; \
    cp /host/apt.conf /etc/apt/apt.conf.d/99gilometer; \
    if [ -s /host/sources.list ]; then \
        rm -f /etc/apt/sources.list.d/*; \
        cp /host/sources.list /etc/apt/sources.list; \
    fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    mkdir -p /debs/partial; \
    apt-get install -y --no-install-recommends --download-only -o Dir::Cache::archives=/debs "${PACKAGE}"; \
    apt-get install -y --no-install-recommends "${PACKAGE}-venv"; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*

FROM packages AS complete
COPY requirements.txt /requirements.txt
ARG PACKAGE
RUN set -eu; \
    if [ -s /host/ca.crt ]; then export PIP_CERT=/host/ca.crt; fi; \
    export PIP_CONFIG_FILE=/host/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
    "${PACKAGE}" -m venv /opt/python; \
    python=/opt/python/bin/python; \
    $python -m pip install --no-cache-dir --no-compile --no-warn-script-location \
        --require-hashes --only-binary=:all: --no-deps -r /requirements.txt; \
    $python -m pip uninstall -y pip; \
    $python -m compileall -q --invalidation-mode=unchecked-hash \
        "$($python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

FROM ${BASE}
COPY --from=packages /debs/ /debs/
RUN set -eu; \
    find /debs -name '*.deb' -exec dpkg --install {} +; \
    rm -rf /debs /var/log/dpkg.log /var/cache/debconf/*-old; \
    useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin gilometer
COPY --from=complete /opt/python /opt/python
ENV PATH=/opt/python/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER gilometer
CMD ["python"]
