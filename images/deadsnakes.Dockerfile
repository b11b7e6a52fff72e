# CPython from the deadsnakes PPA on Ubuntu, in a virtual environment at /opt/python so that workloads find it where they
# find all others.  The context is that of source.Dockerfile, without python.tar.
#
# ensurepip comes with the -venv package of the build with the GIL, and serves both.

ARG BASE

FROM ${BASE} AS keys
LABEL org.gilometer=1
COPY host/ /host/
ARG FINGERPRINT
ARG KEYSERVER
# The key is named by its whole fingerprint, and trusted for this one repository only.
RUN set -eu; \
    cp /host/apt.conf /etc/apt/apt.conf.d/99gilometer; \
    if [ -s /host/sources.list ]; then \
        rm -f /etc/apt/sources.list.d/*; \
        cp /host/sources.list /etc/apt/sources.list; \
    fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    apt-get install -y --no-install-recommends ca-certificates curl gpg; \
    cat /etc/ssl/certs/ca-certificates.crt /host/ca.crt > /ca.crt; \
    export GNUPGHOME="$(mktemp -d)"; \
    curl -fsSL --cacert /ca.crt -o /key.asc "${KEYSERVER}/pks/lookup?op=get&options=mr&search=0x${FINGERPRINT}"; \
    gpg --batch --no-autostart --import /key.asc; \
    gpg --batch --no-autostart --export "${FINGERPRINT}" > /deadsnakes.gpg; \
    test -s /deadsnakes.gpg || { echo "${KEYSERVER} did not give the key ${FINGERPRINT}" >&2; exit 1; }

FROM ${BASE} AS packages
LABEL org.gilometer=1
COPY host/ /host/
COPY --from=keys /ca.crt /ca.crt
COPY --from=keys /deadsnakes.gpg /usr/share/keyrings/deadsnakes.gpg
ARG PPA
ARG PACKAGE
ARG VENV_PACKAGE
# The final stage installs its packages from /debs: it needs no network, and nothing of the host is left in it.
RUN set -eu; \
    cp /host/apt.conf /etc/apt/apt.conf.d/99gilometer; \
    echo 'Acquire::https::CAInfo "/ca.crt";' >> /etc/apt/apt.conf.d/99gilometer; \
    if [ -s /host/sources.list ]; then \
        rm -f /etc/apt/sources.list.d/*; \
        cp /host/sources.list /etc/apt/sources.list; \
    fi; \
    . /etc/os-release; \
    echo "deb [signed-by=/usr/share/keyrings/deadsnakes.gpg] ${PPA} ${VERSION_CODENAME} main" \
        > /etc/apt/sources.list.d/deadsnakes.list; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    mkdir -p /debs/partial; \
    apt-get install -y --no-install-recommends --download-only -o Dir::Cache::archives=/debs "${PACKAGE}"; \
    apt-get install -y --no-install-recommends "${PACKAGE}" "${VENV_PACKAGE}"; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*

FROM packages AS complete
COPY requirements.txt /requirements.txt
ARG INTERPRETER
ARG FREE_THREADED
RUN set -eu; \
    found="$("${INTERPRETER}" -c 'import sysconfig; print(sysconfig.get_config_var("Py_GIL_DISABLED") or 0)')"; \
    test "${found}" = "${FREE_THREADED}" || { \
        echo "${INTERPRETER} has Py_GIL_DISABLED = ${found}: its package is not what its name says" >&2; exit 1; \
    }; \
    if [ -s /host/ca.crt ]; then export PIP_CERT=/host/ca.crt; fi; \
    export PIP_CONFIG_FILE=/host/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
    "${INTERPRETER}" -m venv /opt/python; \
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
