# The page in a container: docker build -t papr . && docker run -p 7860:7860 papr
# docs/hosting.md says how to bring the paper's models along (PRELOAD) and what an owner may allow.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 papr
WORKDIR /home/papr/app

# torch and torchvision must be builds of one kind: both from one index, first. pip's own default has the builds
# for NVIDIA GPUs, several GB that run on a CPU too; docs/hosting.md says how to get the small ones for CPUs alone.
ARG PIP_ARGS=""
COPY requirements.txt .
RUN pip install --no-cache-dir $PIP_ARGS "torch>=2.14,<3" "torchvision>=0.29,<1" \
    && pip install --no-cache-dir -r requirements.txt

COPY --chown=papr:papr app.py README.md LICENSE ./
COPY --chown=papr:papr app app
COPY --chown=papr:papr papr_core papr_core
COPY --chown=papr:papr assets assets
COPY --chown=papr:papr results results
USER papr

# Names of models to bring along, such as "mobileone_s0 vit_base_patch16_224"
ARG PRELOAD=""
RUN if [ -n "$PRELOAD" ]; then python -m papr_core models --fetch $PRELOAD; fi

ENV GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
EXPOSE 7860
HEALTHCHECK --interval=1m --timeout=20s --start-period=1m \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:7860/robots.txt', timeout=10)"]
CMD ["python", "app.py"]
