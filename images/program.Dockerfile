# The program `holdfast` with what its commands need, as the worker and the sweeps' Jobs run it; and, with EXTRAS=operator,
# `holdfast-operator`.
#   docker build -f images/program.Dockerfile -t holdfast/worker:dev .
#   docker build -f images/program.Dockerfile -t holdfast/operator:dev --build-arg EXTRAS=operator .
FROM docker.io/library/python:3.13-slim-trixie AS build
ARG EXTRAS="sql s3 lakefs lifecycle cli"
ENV UV_PROJECT_ENVIRONMENT=/opt/holdfast UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true
WORKDIR /build
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check 'uv>=0.9'
COPY pyproject.toml uv.lock README.md LICENSE ./
# The packages first: they change more seldom than the program, and are a layer of their own.
RUN /opt/uv/bin/uv sync --quiet --frozen --no-dev --no-install-project $(printf -- '--extra %s ' $EXTRAS) --python "$(command -v python)"
COPY functions functions
COPY operator operator
RUN /opt/uv/bin/uv sync --quiet --frozen --no-dev --no-editable $(printf -- '--extra %s ' $EXTRAS) --python "$(command -v python)"

FROM docker.io/library/python:3.13-slim-trixie
COPY --from=build /opt/holdfast /opt/holdfast
ENV PATH=/opt/holdfast/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /tmp
CMD ["holdfast", "--help"]
