# The server as one static program in an image with nothing else in it.
#
#   docker build -t cuntong --build-arg VERSION="$(git describe --tags --always)" .
#   docker run -p 8080:8080 -v cuntong:/data cuntong
#
# The build line is that of "make static", which the checks build and run.
FROM golang:1.26-bookworm AS build
ARG VERSION=development
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=1 go build -tags netgo,osusergo,timetzdata -trimpath \
      -ldflags "-X main.version=${VERSION} -s -w -linkmode external -extldflags \"-static\"" \
      -o /out/dispatchd ./cmd/dispatchd \
 && mkdir /out/data

# Nothing but the program, as a user of its own and without a shell. It writes to /data only: run it with a
# read-only root ("docker run --read-only --cap-drop ALL --security-opt no-new-privileges", as deploy/compose.yaml does).
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/dispatchd /dispatchd
# The folder exists with the right owner, so that a volume mounted there gets it too.
COPY --from=build --chown=nonroot:nonroot /out/data /data
COPY LICENSE NOTICE /
ARG VERSION=development
LABEL org.opencontainers.image.title="Cuntong dispatchd" \
      org.opencontainers.image.description="Dispatch server for rides between villages" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ENV CUNTONG_LISTEN=:8080 \
    CUNTONG_PRIVATE_LISTEN=:8081 \
    CUNTONG_DATA_DIR=/data
VOLUME /data
EXPOSE 8080 8081
USER nonroot:nonroot
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s CMD ["/dispatchd", "healthcheck"]
ENTRYPOINT ["/dispatchd"]
CMD ["serve"]
