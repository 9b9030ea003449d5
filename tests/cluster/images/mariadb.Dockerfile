# Stands in for docker.io/library/mariadb:11.8 where that cannot be had: Debian's package, with the variables that the demo sets.
FROM docker.io/library/debian:trixie-slim
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends mariadb-server-core mariadb-client-core >/dev/null \
    && rm -rf /var/lib/apt/lists/* && (id mysql >/dev/null 2>&1 || useradd --system --uid 999 mysql)
COPY mariadb-entrypoint /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["sh", "/usr/local/bin/docker-entrypoint.sh"]
