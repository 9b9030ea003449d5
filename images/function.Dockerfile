# One function in its image; FUNCTION is the name of its folder in functions/endpoints.
#   docker build -f images/function.Dockerfile --build-arg FUNCTION=token -t holdfast/token:dev .
#
# The layers, from what changes least: Python; the packages, one layer for all functions that have the same EXTRAS; the program, one
# layer for all; the endpoint. Whatever knows FUNCTION is made anew for each of them, a RUN even where it does not look at it. So which
# extras it wants comes to those that install them as a file, which is cached by its content.
ARG PYTHON=3.13
FROM docker.io/library/python:${PYTHON}-slim-trixie AS uv
ARG UV=0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true PYC_INVALIDATION_MODE=UNCHECKED_HASH
WORKDIR /build
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check "uv==${UV}"

FROM scratch AS extras
ARG FUNCTION
COPY functions/endpoints/${FUNCTION}/__init__.py /extras.py

# The packages by version and hash, and nothing else of the lock: what changes beside them makes no new layer.
FROM uv AS locked
COPY pyproject.toml uv.lock ./
COPY --from=extras /extras.py ./
RUN python -c 'from extras import EXTRAS; print(*(f"--extra={one}" for one in (*EXTRAS, "lambda")), sep="\n")' >options \
    && xargs /opt/uv/bin/uv export --quiet --frozen --no-dev --no-emit-project --no-header --no-annotate -o requirements.txt <options

# FastAPI imports Pydantic's first version where it is there, to ask of each model whether it is one of its: 1.4 MiB of memory in every
# function. lakeFS's client alone is made of it.
FROM uv AS packages
COPY --from=locked /build/requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/uv /opt/uv/bin/uv venv --quiet --no-project --python /usr/local/bin/python /opt/holdfast \
    && /opt/uv/bin/uv pip install --quiet --compile-bytecode --require-hashes --python /opt/holdfast -r requirements.txt \
    && rm -f /opt/holdfast/.lock \
    && { grep -q '^lakefs-sdk==' requirements.txt || rm -r /opt/holdfast/lib/python*/site-packages/pydantic/v1; }

FROM uv AS program
COPY functions/holdfast holdfast
RUN python -m compileall -q --invalidation-mode unchecked-hash holdfast

# For each function the folder that its image gets: itself alone, so that the image changes when the function does. `docs`, which
# describes all of them, gets all.
FROM uv AS endpoints
COPY functions/endpoints endpoints
RUN python -m compileall -q --invalidation-mode unchecked-hash endpoints && for app in endpoints/*/app.py; do \
        name=$(basename "$(dirname "$app")") && mkdir -p "for/$name" && cp -r endpoints/__init__.py endpoints/__pycache__ "endpoints/$name" "for/$name"; \
    done && cp -r endpoints/. for/docs && find for -exec touch -h -d @0 {} +

FROM docker.io/library/python:${PYTHON}-slim-trixie AS group
ARG PYTHON
ARG VERSION=0.1.0
# Docker's Python comes without its own library's .pyc files: each start would compile half a second's worth of it anew.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python${PYTHON}/ensurepip /usr/local/lib/python${PYTHON}/site-packages/pip* \
    && python -m compileall -q -x '/(test|tests|idlelib|turtledemo|site-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
ENV PATH=/opt/holdfast/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 \
    HOLDFAST_HOST=0.0.0.0 HOLDFAST_PORT=8080
LABEL org.opencontainers.image.source="https://holdfast.dev" org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
EXPOSE 8080
STOPSIGNAL SIGTERM
USER 65532:65532
WORKDIR /tmp
CMD ["python", "-m", "holdfast.web.container"]
COPY --from=packages /opt/holdfast /opt/holdfast
COPY --from=program /build/holdfast /opt/holdfast/lib/python${PYTHON}/site-packages/holdfast

FROM group
ARG PYTHON
ARG FUNCTION
ARG REVISION=unknown
COPY --from=endpoints /build/for/${FUNCTION} /opt/holdfast/lib/python${PYTHON}/site-packages/endpoints
ENV HOLDFAST_FUNCTION=${FUNCTION}
LABEL org.opencontainers.image.title="holdfast ${FUNCTION}" org.opencontainers.image.revision="${REVISION}"
