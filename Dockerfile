# The service with an OpenCode of its own, in one container: docker build -t opencode-wecom .
ARG PYTHON=python:3.11.13-slim-bookworm
ARG NODE=node:22.17.0-bookworm-slim

# OpenCode as the lock says. It is a program: nothing of npm is needed to run it.
FROM ${NODE} AS runtime
WORKDIR /runtime
COPY config/opencode/package.json config/opencode/package-lock.json ./
# Not `npm ci`: it would insist on a locked package for every platform.
RUN npm install --omit=dev --no-save --no-audit --no-fund --loglevel=error \
    && node_modules/.bin/opencode --version

FROM ${PYTHON} AS packages
WORKDIR /opt/opencode-wecom
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
       --require-hashes --no-deps -r requirements.lock

FROM ${PYTHON}
# git makes the workspaces, ripgrep searches in them, tini reaps what agents leave behind; add what
# your agents work with.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl git ripgrep tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 opencode-wecom \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin opencode-wecom \
    && install -d -m 700 -o 10001 -g 10001 \
       /var/lib/opencode-wecom /var/lib/opencode /srv/opencode-work
WORKDIR /opt/opencode-wecom
COPY --from=packages /opt/opencode-wecom/.venv .venv
COPY --from=runtime /runtime/node_modules .runtime/node_modules
COPY config config
COPY store store
COPY bot bot
COPY commands commands
COPY handlers handlers
RUN .venv/bin/python -m compileall -q config store bot commands handlers \
    && .venv/bin/python -m bot --version
ENV PATH=/opt/opencode-wecom/.runtime/node_modules/.bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    BOT_HOST=0.0.0.0 \
    BOT_PORT=8080 \
    BOT_DATA_DIR=/var/lib/opencode-wecom \
    BOT_WORKSPACES=/srv/opencode-work
USER 10001:10001
EXPOSE 8080
VOLUME ["/var/lib/opencode-wecom", "/var/lib/opencode", "/srv/opencode-work"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--show-error", "--noproxy", "*", "--max-time", "4", "--output", "/dev/null", "http://127.0.0.1:8080/healthz"]
# SIGTERM goes to the service alone, which ends OpenCode itself; give it 30 s.
ENTRYPOINT ["tini", "--", "/opt/opencode-wecom/.venv/bin/python", "-m", "bot"]
CMD ["run"]
