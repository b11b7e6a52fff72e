# CPython compiled from source, the same way with and without the GIL.
#
# Syntax of the classic builder only: old engines and Podman build this too.  Everything above the first ARG of the
# compile stage is the same for every build of one release, so that the engine keeps it once.
#
# The context, made by harness/images.py:
#   host/             what the host gives: apt settings, apt sources, CA bundle, pip settings; any of them may be empty
#   python.tar        CPython's source, verified before it came here
#   requirements.txt  what the workloads import, with hashes, for this interpreter's ABI

ARG BASE

FROM ${BASE} AS toolchain
LABEL org.gilometer=1
COPY host/ /host/
# The final stage installs its libraries from /debs: it needs no network, and nothing of the host is left in it.
RUN set -eu; \
    cp /host/apt.conf /etc/apt/apt.conf.d/99gilometer; \
    if [ -s /host/sources.list ]; then \
        rm -f /etc/apt/sources.list.d/*; \
        cp /host/sources.list /etc/apt/sources.list; \
    fi; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    mkdir -p /debs/partial; \
    apt-get install -y --no-install-recommends --download-only -o Dir::Cache::archives=/debs \
        libbz2-1.0 libffi8 liblzma5 libncursesw6 libreadline8t64 libsqlite3-0 libssl3t64 libuuid1 libzstd1 zlib1g; \
    apt-get install -y --no-install-recommends \
        gcc libc6-dev make pkgconf xz-utils \
        libbz2-dev libffi-dev liblzma-dev libncurses-dev libreadline-dev libsqlite3-dev libssl-dev libzstd-dev \
        uuid-dev zlib1g-dev; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*

FROM toolchain AS unpacked
COPY python.tar /python.tar
RUN mkdir /python && tar -xf /python.tar -C /python --strip-components=1 && rm /python.tar
WORKDIR /python

FROM unpacked AS compiled
ARG TOOLS
RUN set -eu; \
    if [ -n "${TOOLS}" ]; then \
        export DEBIAN_FRONTEND=noninteractive; \
        apt-get update; \
        apt-get install -y --no-install-recommends ${TOOLS}; \
        apt-get clean; \
        rm -rf /var/lib/apt/lists/*; \
    fi
ARG CONFIGURE
RUN eval "./configure --prefix=/opt/python ${CONFIGURE}"
RUN make -j"$(nproc)"
# Byte code stays: a worker starts in a quarter of the time with it, and nothing can write it later.  It is hashed, not
# dated, so that it does not depend on when it was made.  Tests and the archive for embedding serve no workload.
RUN set -eu; \
    make install TEST_MODULES=no COMPILEALL_OPTS="-j0 --invalidation-mode=unchecked-hash"; \
    ln -s python3 /opt/python/bin/python; \
    find /opt/python -name '*.opt-[12].pyc' -delete; \
    find /opt/python -depth -type d \( -name test -o -name tests -o -name idle_test \) -exec rm -rf {} +; \
    find /opt/python -name 'libpython*.a' -delete; \
    find /opt/python -type f \( -path '*/bin/python3*' -o -name '*.so' -o -name 'libpython*.so.*' \) ! -name '*-config' -exec strip {} +

FROM compiled AS complete
COPY requirements.txt /requirements.txt
RUN set -eu; \
    if [ -s /host/ca.crt ]; then export PIP_CERT=/host/ca.crt; fi; \
    export PIP_CONFIG_FILE=/host/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
    python=/opt/python/bin/python; \
    $python -m pip install --no-cache-dir --no-compile --no-warn-script-location \
        --require-hashes --only-binary=:all: --no-deps -r /requirements.txt; \
    $python -m pip uninstall -y pip; \
    $python -m compileall -q --invalidation-mode=unchecked-hash \
        "$($python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

FROM ${BASE}
COPY --from=toolchain /debs/ /debs/
RUN set -eu; \
    find /debs -name '*.deb' -exec dpkg --install {} +; \
    rm -rf /debs /var/log/dpkg.log /var/cache/debconf/*-old; \
    useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin gilometer
COPY --from=complete /opt/python /opt/python
ENV PATH=/opt/python/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER gilometer
CMD ["python"]
