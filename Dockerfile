FROM python:3.13-slim-trixie

RUN useradd --create-home --uid 1000 twuin && mkdir /data && chown twuin /data
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
