# The program `holdfast` with what its commands need, as the worker and the sweeps' Jobs run it; and, with EXTRAS=operator,
# `holdfast-operator`. Its first lines are those of function.Dockerfile, so that what they make is made and stored once.
#   docker build -f images/program.Dockerfile -t holdfast/worker:dev .
#   docker build -f images/program.Dockerfile -t holdfast/operator:dev --build-arg EXTRAS=operator .
ARG PYTHON=3.13
FROM docker.io/library/python:${PYTHON}-slim-trixie AS uv
ARG UV=0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true PYC_INVALIDATION_MODE=UNCHECKED_HASH
WORKDIR /build
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check "uv==${UV}"

FROM uv AS locked
ARG EXTRAS="sql s3 lakefs lifecycle cli"
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv export --quiet --frozen --no-dev --no-emit-project --no-header --no-annotate -o requirements.txt \
    $(printf -- '--extra %s ' $EXTRAS)

FROM uv AS packages
COPY --from=locked /build/requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/uv /opt/uv/bin/uv venv --quiet --no-project --python /usr/local/bin/python /opt/holdfast \
    && /opt/uv/bin/uv pip install --quiet --compile-bytecode --require-hashes --python /opt/holdfast -r requirements.txt \
    && rm -f /opt/holdfast/.lock

# Beside the packages, as it changes more often than they do, and goes into a layer of its own.
FROM packages AS program
COPY pyproject.toml README.md LICENSE ./
COPY functions functions
COPY operator operator
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv pip install --quiet --compile-bytecode --no-deps --python /opt/holdfast --prefix /opt/program . \
    && rm -f /opt/program/.lock

FROM docker.io/library/python:${PYTHON}-slim-trixie
ARG PYTHON
ARG VERSION=0.1.0
# Docker's Python comes without its own library's .pyc files: each start would compile half a second's worth of it anew.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python${PYTHON}/ensurepip /usr/local/lib/python${PYTHON}/site-packages/pip* \
    && python -m compileall -q -x '/(test|tests|idlelib|turtledemo|site-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ENV PATH=/opt/holdfast/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1
LABEL org.opencontainers.image.source="https://holdfast.dev" org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
STOPSIGNAL SIGTERM
USER 65532:65532
WORKDIR /tmp
CMD ["holdfast", "--help"]
COPY --from=packages /opt/holdfast /opt/holdfast
COPY --from=program /opt/program /opt/holdfast
ARG TITLE="holdfast worker"
ARG REVISION=unknown
LABEL org.opencontainers.image.title="${TITLE}" org.opencontainers.image.revision="${REVISION}"
