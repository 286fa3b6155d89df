# An image of Synclog: Node, what is built, the migrations, and libsql. `docker build -t synclog .`
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run generate && npm run build -- --clean && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 DATABASE_URL=file:/data/synclog.db
WORKDIR /app
COPY --from=build /build/package.json ./package.json
COPY --from=build /build/bin ./bin
COPY --from=build /build/dist ./dist
COPY --from=build /build/prisma/migrations ./prisma/migrations
COPY --from=build /build/node_modules ./node_modules
# Of a SQLite file; nothing else is written to, so that the root file system may be read only.
RUN mkdir /data && chown 65534:65534 /data
VOLUME /data
USER 65534:65534
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node is the first process, and the server ends in order with SIGTERM. `docker run synclog api-key --help` runs another command.
ENTRYPOINT ["node", "/app/bin/synclog.mjs"]
CMD ["start"]
