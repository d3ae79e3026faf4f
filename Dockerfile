FROM python:3.13-slim-trixie

# /broker: a volume takes over owner and mode; 1883 is the broker's user in its own image
RUN useradd --create-home --uid 1000 twuin && mkdir /data /broker && chown twuin /data \
    && chown 1883:1883 /broker && chmod 2750 /broker
WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY waterworks ./waterworks
COPY analytics ./analytics
COPY ingest ./ingest
COPY firmware_sim ./firmware_sim
COPY twuin ./twuin
RUN pip install --no-cache-dir --no-deps .

USER twuin
EXPOSE 8080
CMD ["twuin", "serve"]
