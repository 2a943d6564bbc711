# Three images from one file:
#   fetch    downloads a bundle before the service starts (REQUIREMENTS=fetch; the chart's model.download)
#   runtime  code and locked dependencies, no model (for charts that bring the bundle themselves)
#   model    runtime plus one verified bundle at /model
#
#   docker build --target model \
#     --build-arg REQUIREMENTS=serve --build-arg BUNDLE=build/bundles/iris -t iris:1.0.0 .
#
# REQUIREMENTS is `serve` for the onnx engine (no scikit-learn, scipy or joblib in the image) and
# `serve-sklearn` for the sklearn engine; the engine stands in the bundle's manifest.json.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:bb2988715db2cf7ace7b53f38f3cffbef7c7046a656bee66245eb0ed386e2e81

FROM ${PYTHON_IMAGE} AS builder
ARG REQUIREMENTS=serve
WORKDIR /build
# Trust what the base image trusts, as pip does: a company's own CA can be mounted there at build time.
ENV UV_SYSTEM_CERTS=1
# uv has its own environment, so nothing of the installer reaches the image.
COPY requirements/uv.txt requirements/uv.txt
RUN python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/uv.txt
COPY requirements/${REQUIREMENTS}.txt requirements/
RUN python3 -m venv --without-pip /opt/venv \
 && /opt/uv/bin/uv pip install --python /opt/venv/bin/python --no-cache --no-deps --link-mode copy \
    --compile-bytecode --require-hashes -r requirements/${REQUIREMENTS}.txt
COPY app /srv/app
RUN /opt/venv/bin/python -m compileall -q /srv/app

# Of the service's code only what knows a bundle; of its libraries only orjson.
FROM ${PYTHON_IMAGE} AS fetch
RUN echo 'model:x:10001:10001::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'model:x:10001:' >> /etc/group
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/app/__init__.py /srv/app/bundle.py /srv/app/errors.py /srv/app/timestamps.py /srv/app/variables.py /srv/app/
COPY --from=builder /srv/app/fetch /srv/app/fetch
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MODEL_DIR=/model
WORKDIR /srv
USER 10001:10001
CMD ["python", "-m", "app.fetch"]

FROM ${PYTHON_IMAGE} AS runtime
# Written by hand because a slim base may lack useradd; a UID >= 10000 never meets a host account.
RUN echo 'model:x:10001:10001::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'model:x:10001:' >> /etc/group
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/app /srv/app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MODEL_DIR=/model \
    PORT=8080 \
    ORT_DISABLE_TELEMETRY=1 \
    PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
WORKDIR /srv
USER 10001:10001
EXPOSE 8080
# For plain Docker users; Kubernetes ignores it and uses the chart's probes.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["python", "-m", "app.healthcheck"]
STOPSIGNAL SIGTERM
CMD ["python", "-m", "app"]

FROM runtime AS model
ARG BUNDLE
# World-readable, owned by root: the process that serves the bundle cannot change it.
COPY ${BUNDLE} /model
