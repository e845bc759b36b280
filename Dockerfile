# The image of the service. It holds the pinned requirements and the two packages that it serves
# from; compilers and tests stay outside. All settings come from the environment.

FROM python:3.11-slim-bookworm AS builder
COPY requirements.txt /build/requirements.txt
RUN python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --disable-pip-version-check \
        --no-cache-dir --only-binary :all: --require-hashes -r /build/requirements.txt

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Remote Drive" \
      org.opencontainers.image.description="A drive for programs and people on an S3-compatible store"
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    WEB_CONCURRENCY=2
RUN groupadd --system --gid 10001 remotedrive \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin remotedrive
WORKDIR /app
COPY --from=builder /venv /venv
COPY manage.py ./
COPY remotedrive ./remotedrive
COPY files ./files
# A checkout made under a strict umask has files that only its owner may read.
RUN chmod -R a+rX /app && python -m compileall -q remotedrive files
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Without a proxy, whatever the environment says of proxies: it asks this very container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import *; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]
# The number of workers is WEB_CONCURRENCY.
CMD ["python", "-m", "remotedrive", "--host", "0.0.0.0", "--port", "8000"]
