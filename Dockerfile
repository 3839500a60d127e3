# The bot without torch, for a user without rights. docs/deploying.md says how to build and run it.
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY bot ./bot
# PostgreSQL's driver is small, so one image serves both databases.
RUN python -m venv /opt/phi-bot \
 && /opt/phi-bot/bin/pip install --no-cache-dir --no-compile -c constraints.txt '.[postgresql]' \
 && /opt/phi-bot/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
# A fixed id, so that the volume belongs to the next image's user, too.
RUN groupadd --gid 10001 phi-bot \
 && useradd --uid 10001 --gid phi-bot --home-dir /data --no-create-home --shell /usr/sbin/nologin phi-bot \
 && install --directory --owner phi-bot --group phi-bot --mode 0700 /data
COPY --from=build /opt/phi-bot /opt/phi-bot
ENV PATH=/opt/phi-bot/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    METRICS_PORT=9464
USER 10001:10001
# Below it are data/ and model/, as in a checkout.
VOLUME /data
WORKDIR /data
STOPSIGNAL SIGTERM
# A model may take minutes to load.
HEALTHCHECK --start-period=10m --interval=30s --timeout=5s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:%s/healthz' % os.environ['METRICS_PORT'], timeout=4)"]
ENTRYPOINT ["phi-bot"]
CMD ["run"]
