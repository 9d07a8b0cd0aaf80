# Two images from one build:
#   docker build --target reader -t warcdl-reader .    small; reads archives anywhere
#   docker build --target gpu    -t warcdl-gpu    .    with CUDA and ONNX Runtime; needs --gpus all
#
#   docker run --rm -v "$PWD/job.secret:/job.secret:ro" warcdl-reader --connect gpu1:7700 --secret-file /job.secret
#   docker run --rm --gpus all --network host -v "$PWD:/data" warcdl-gpu --config my.toml

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked -p warcdl --bin warcdl-node

# ONNX Runtime with its CUDA provider, unpacked into /opt/warcdl/runtime.
FROM debian:bookworm-slim AS runtime
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/warcdl
COPY scripts/fetch-onnxruntime.sh scripts/
RUN scripts/fetch-onnxruntime.sh --cuda

FROM debian:bookworm-slim AS reader
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/warcdl-node /usr/local/bin/
# No privileges are needed. The secret file that is mounted must belong to this user, and be readable by nobody else.
USER 1000:1000
ENTRYPOINT ["warcdl-node", "--role", "reader"]

FROM nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04 AS gpu
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/warcdl-node /opt/warcdl/bin/
# The program looks for ONNX Runtime in runtime/ above its own folder.
COPY --from=runtime /opt/warcdl/runtime /opt/warcdl/runtime
WORKDIR /data
ENTRYPOINT ["/opt/warcdl/bin/warcdl-node", "--role", "gpu"]
