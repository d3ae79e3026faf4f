# One image for all of Twuin's processes: docker-compose.yml says which of them a container runs.
FROM python:3.13.9-slim-trixie AS build

WORKDIR /build
RUN python -m venv /opt/twuin
COPY requirements.lock ./
RUN /opt/twuin/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY waterworks ./waterworks
COPY analytics ./analytics
COPY ingest ./ingest
COPY firmware_sim ./firmware_sim
COPY twuin ./twuin
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /build/dist . \
    && /opt/twuin/bin/pip install --no-cache-dir --no-compile --no-deps /build/dist/*.whl \
    && /opt/twuin/bin/pip uninstall --yes pip \
    && /opt/twuin/bin/python -m compileall -q /opt/twuin/lib


FROM python:3.13.9-slim-trixie

# Volumes take over owner and mode of these folders. 1883 is the broker's user in its own image. What is in
# /secrets is for group 1000, which the other services' users are given.
RUN useradd --create-home --uid 1000 twuin \
    && install -d -o 1000 -g 1000 -m 0750 /data /secrets /secrets/admin /secrets/database /secrets/store /secrets/grafana \
    && install -d -o 1000 -g 1000 -m 0755 /grafana \
    && install -d -o 1883 -g 1883 -m 2750 /broker
COPY --from=build /opt/twuin /opt/twuin
ENV PATH=/opt/twuin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TWUIN_DATA_DIR=/data
WORKDIR /home/twuin
USER 1000:1000
EXPOSE 8080
# Of a container that runs all of it, or the pages; the others bring their own (docker-compose.yml).
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/api/v1/health/live', timeout=5)"]
CMD ["twuin", "serve"]
