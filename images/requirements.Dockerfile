# The image of a build with what somebody's script requires, in a folder of its own that a worker's path begins with:
# the build's own packages stay as they are for everything else.
#
# The context, made by harness/equipment.py:
#   host/             what the host gives: CA bundle, pip settings; either may be empty
#   pip/              pip, since images have none
#   requirements.txt  what the script requires, every package pinned and with its hashes
#
# A stage has the labels of its base, and a build that fails leaves images behind: none of them may be taken for the
# base, which is found by its recipe.

ARG BASE

FROM ${BASE} AS equipped
LABEL org.gilometer=1 org.gilometer.recipe=""
USER root
COPY host/ /host/
COPY pip/ /pip/
COPY requirements.txt /requirements.txt
ARG FOLDER
RUN set -eu; \
    if [ -s /host/ca.crt ]; then export PIP_CERT=/host/ca.crt; fi; \
    export PIP_CONFIG_FILE=/host/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore; \
    python=/opt/python/bin/python; \
    PYTHONPATH=/pip $python -m pip install --no-cache-dir --no-compile --no-warn-script-location \
        --require-hashes --only-binary=:all: --no-deps --target="${FOLDER}" -r /requirements.txt; \
    $python -m compileall -q --invalidation-mode=unchecked-hash "${FOLDER}"

FROM ${BASE}
LABEL org.gilometer.recipe=""
ARG FOLDER
COPY --from=equipped ${FOLDER}/ ${FOLDER}/
USER gilometer
CMD ["python"]
