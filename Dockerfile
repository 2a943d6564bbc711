# Four images from one file:
#   fetch    downloads a bundle before the service starts (REQUIREMENTS=fetch; the chart's model.download)
#   runtime  code and locked dependencies, no model (for charts that bring the bundle themselves)
#   model    runtime plus one verified bundle at /model
#   trainer  what trains and packages models, with the code of all of them (`make trainer-image`)
#
#   docker build --target model \
#     --build-arg REQUIREMENTS=serve --build-arg BUNDLE=build/bundles/iris -t iris:1.0.0 .
#
# REQUIREMENTS is `serve` for the onnx engine (no scikit-learn, scipy or joblib in the image) and
# `serve-sklearn` for the sklearn engine (`serve-boosters` where it runs XGBoost, LightGBM or CatBoost);
# engine and libraries stand in the bundle's manifest.json. With `batch` in place of `serve` (`batch`,
# `batch-sklearn`, `batch-boosters`) the same image also runs `python -m app.batch`: it has pyarrow and obstore.
#
# The same input gives the same digest when the builder writes one time on every file:
# `buildah bud --timestamp 0`, or BuildKit with SOURCE_DATE_EPOCH=0 and `rewrite-timestamp=true`.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:bb2988715db2cf7ace7b53f38f3cffbef7c7046a656bee66245eb0ed386e2e81

FROM ${PYTHON_IMAGE} AS installer
WORKDIR /build
# Trust what the base image trusts, as pip does: a company's own CA can be mounted there at build time.
ENV UV_SYSTEM_CERTS=1
# uv has its own environment, so nothing of the installer reaches the image.
COPY requirements/uv.txt requirements/uv.txt
RUN python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.txt

FROM installer AS builder
# No sooner than here: every variant shares the layers above.
ARG REQUIREMENTS=serve
COPY requirements/${REQUIREMENTS}.txt requirements/
# What no service runs stays out: tests, type stubs and headers of libraries, and onnxruntime's tools
# that make models. tests/images holds both engines to it. Bytecode that carries no time of its source
# is the same in every build and is read whatever time the files have.
RUN python3 -m venv --without-pip /opt/venv \
 && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-cache --no-deps --link-mode copy \
    --require-hashes -r requirements/${REQUIREMENTS}.txt \
 && find /opt/venv -type d \
    \( -name tests -o -path '*/onnxruntime/transformers' -o -path '*/onnxruntime/quantization' \
    -o -path '*/onnxruntime/tools' \) -prune -exec rm -r {} + \
 && find /opt/venv -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -delete \
 && PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib
# LightGBM asks for the system's libgomp.so.1, which a slim base lacks; scikit-learn brings the same library
# under another name, and so both share one pool of threads.
RUN for library in /opt/venv/lib/python3*/site-packages/scikit_learn.libs/libgomp-*.so*; do \
      if [ -e "$library" ]; then ln -s "$library" /opt/venv/lib/libgomp.so.1; fi; \
    done
COPY app /srv/app
RUN PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /srv/app

FROM ${PYTHON_IMAGE} AS base
# Written by hand because a slim base may lack useradd; a UID >= 10000 never meets a host account.
RUN echo 'model:x:10001:10001::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'model:x:10001:' >> /etc/group
COPY --from=builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LD_LIBRARY_PATH=/opt/venv/lib \
    MODEL_DIR=/model
WORKDIR /srv
USER 10001:10001

# Of the service's code only what knows a bundle; of its libraries only orjson.
FROM base AS fetch
COPY --from=builder /srv/app/__init__.py /srv/app/errors.py /srv/app/timestamps.py /srv/app/variables.py /srv/app/
COPY --from=builder /srv/app/model/__init__.py /srv/app/model/bundle.py /srv/app/model/
COPY --from=builder /srv/app/fetch /srv/app/fetch
ARG PYTHON_IMAGE
ARG SOURCE=""
ARG REVISION=""
LABEL org.opencontainers.image.title="ml-model/fetch" \
      org.opencontainers.image.description="Downloads and verifies a bundle before the service starts" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}"
CMD ["python", "-m", "app.fetch"]

FROM base AS runtime
COPY --from=builder /srv/app /srv/app
ENV PORT=8080 \
    ORT_DISABLE_TELEMETRY=1 \
    PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
EXPOSE 8080
# For plain Docker users; Kubernetes ignores it and uses the chart's probes.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-m", "app.healthcheck"]
STOPSIGNAL SIGTERM
# Below everything that costs time, since a commit changes them.
ARG PYTHON_IMAGE
ARG SOURCE=""
ARG REVISION=""
LABEL org.opencontainers.image.title="ml-model/runtime" \
      org.opencontainers.image.description="Serves a scikit-learn model" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}"
CMD ["python", "-m", "app"]

FROM runtime AS model
ARG BUNDLE
# World-readable, owned by root: the process that serves the bundle cannot change it.
COPY ${BUNDLE} /model
ARG TITLE=""
ARG VERSION=""
LABEL org.opencontainers.image.title="${TITLE}" \
      org.opencontainers.image.version="${VERSION}"

# Trains in /repository, and writes nowhere but in its build/ and /tmp: a Job mounts both over a root that is
# read-only. Last, so that nobody builds it by the way.
FROM base AS trainer
COPY app /srv/app
COPY modelctl /srv/modelctl
COPY models /repository/models
# The commit of each model, since there is no git here (`make trainer-image` writes the file).
COPY build/trainer/origins.json /srv/origins.json
ENV ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp \
    MODEL_ORIGINS=/srv/origins.json
WORKDIR /repository
ARG PYTHON_IMAGE
ARG SOURCE=""
ARG REVISION=""
LABEL org.opencontainers.image.title="ml-model/trainer" \
      org.opencontainers.image.description="Trains and packages the models of a repository" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["python", "-m"]
CMD ["modelctl", "--help"]
