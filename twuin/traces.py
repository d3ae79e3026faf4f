"""Traces by OpenTelemetry: where they go. What is traced stands where the work is done, and costs nothing
worth naming while nobody asked for traces.

Names, numbers and times of pieces of work leave this machine, and no more: no addresses of pages (a link in a
message to a crew is a secret), no readings, no names of people.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twuin import __version__
from twuin.settings import TraceSettings
from waterworks.errors import SettingsError

NO_TRACES_OF_ITS_OWN: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""For FastAPI: what it would trace by itself holds whole addresses. The guards trace requests by route."""


@contextmanager
def traces(settings: TraceSettings, process: str, site: str = "") -> Iterator[None]:
    """Send what is traced meanwhile to the collector of ``settings``; what waits at the end is sent off.

    process: what this one is called, as in "monitor". site: empty where it serves several; then each request
    says its own. While the collector is away its traces are dropped, after a line in the log; no work waits
    for it. Raises SettingsError where headers cannot be read or the packages are not there.
    """
    if not settings.url:
        yield
        return
    headers = {} if settings.headers_file is None else _headers(settings.headers_file)
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
    except ImportError as e:
        raise SettingsError(
            "setting traces.url: sending traces needs more packages: "
            "pip install '.[traces]' in a copy of Twuin's source"
        ) from e
    about = {
        "service.name": f"twuin-{process}",
        "service.version": __version__,
        "service.namespace": "twuin",
    } | ({"twuin.site": site} if site else {})
    # By the number of the trace, not as who asks says: a browser does not decide what a collector gets.
    provider = TracerProvider(resource=Resource.create(about), sampler=TraceIdRatioBased(settings.share))
    exporter = OTLPSpanExporter(endpoint=settings.url, headers=headers, timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def _headers(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"setting traces.headers_file: {path} cannot be read: {e}") from e
    found = {}
    for number, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        if not colon or not name.strip() or not value.strip():
            raise SettingsError(
                f"{path} line {number} is no header: write NAME: VALUE, as in Authorization: Bearer ..."
            )
        found[name.strip()] = value.strip()
    return found
