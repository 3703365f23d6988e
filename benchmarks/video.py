"""What pruning a clip costs: VideoMAE plain and pruned, the wait for a clip, a long clip beside a short one.

    python benchmarks/video.py [videomae] [wait] [long] [--rounds 7] [--json]

videomae  VideoMAE-B (random weights) at keep ratio 0.45 against plain, interleaved, batch 1, model only: the
          speed-up, and its share of the multiply-accumulates plain / pruned (meant: at least 0.95).
wait      the default pair on a 5-second clip of 720p: seconds from the file to the first masked frames, and
          to all of them, pruned answer, both clips and the figure (meant: 2 and 8 on two cores).
long      the same pair on ten minutes of 1080p beside ten seconds, one process a run: seconds (meant: at
          most three times) and peak memory (meant: under 1 GB; torch's own exit, which adds 0.1, is not
          counted), with keyframes 2 and 10 seconds apart.

The clips are made here: H.264 at 24 frames a second of a drifting texture; the ten minutes are the ten
seconds sixty times, frame by frame, without being encoded again. Beside the seconds of `wait` and `long`
stand the processor's (cpu), of all threads: on a busy machine, with OMP_NUM_THREADS=1, what an idle core
would take.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

RATE = 24
KEEP = 0.45


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="videomae, wait, long (default: all)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--prune", metavar="CLIP", help=argparse.SUPPRESS)  # what `long` runs by itself
    args = parser.parse_args()
    if args.prune:
        print(json.dumps(prune_alone(args.prune)))
        return
    unknown = set(args.parts) - PARTS.keys()
    if unknown:
        parser.error(f"there are {', '.join(PARTS)}, not {', '.join(sorted(unknown))}")
    about = configuration()
    print(json.dumps(about) if args.json else ", ".join(f"{key} {value}" for key, value in about.items()))
    with tempfile.TemporaryDirectory() as folder:
        for part in args.parts or PARTS:
            for row in PARTS[part](Path(folder), args.rounds):
                print(json.dumps({"part": part, **row}) if args.json else f"{part}: {told(row)}", flush=True)


def configuration() -> dict:
    import torch

    from papr_core.bench import machine

    return {
        "machine": machine("cpu"),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load": round(os.getloadavg()[0], 1),
    }


def told(row: dict) -> str:
    return ", ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
    )


def spread(what: str, values: list[float]) -> dict:
    return {what: statistics.median(values), f"{what}_lowest": min(values), f"{what}_highest": max(values)}


def seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


# VideoMAE, model only


def videomae(folder: Path, rounds: int):
    import torch

    from papr_core.cost import backbone_gmacs, proposal_gmacs
    from papr_core.models.backbones import load_backbone
    from papr_core.models.proposals import load_proposal
    from papr_core.pruning.significance import channel_mean

    backbone = load_backbone("videomae_base", pretrained=False)
    proposal = load_proposal("x3d_s", pretrained=False)
    draw = torch.Generator().manual_seed(0)
    clip = torch.randn(1, *backbone.input_size, generator=draw)
    seen = torch.randn(1, *proposal.input_size, generator=draw)

    def selected():
        return backbone.select(channel_mean(proposal.features(seen)), KEEP)

    with torch.inference_mode():
        kept = selected()
        runs = {
            "plain": lambda: backbone(clip),
            "pruned": lambda: backbone(clip, kept),
            "pair": lambda: backbone(clip, selected()),
        }
        times = {name: [] for name in runs}
        for turn in range(rounds + 1):  # the first warms up
            for name in sorted(runs, key=lambda name, turn=turn: hash((name, turn))):
                took = seconds(runs[name])
                if turn:
                    times[name].append(took)
    whole, less, looking = backbone_gmacs(backbone), backbone_gmacs(backbone, KEEP), proposal_gmacs(proposal)
    for name, promised in (("pruned", whole / less), ("pair", whole / (less + looking))):
        ratios = [a / b for a, b in zip(times["plain"], times[name])]
        yield {
            "measured": {"pruned": "VideoMAE-B alone", "pair": "with X3D-S's pass"}[name],
            "keep": KEEP,
            "n": rounds,
            "plain_s": statistics.median(times["plain"]),
            "pruned_s": statistics.median(times[name]),
            **spread("speedup", ratios),
            "promised": promised,
            "share_of_promise": statistics.median(ratios) / promised,
        }


# From a file to masked frames


def wait(folder: Path, rounds: int):
    from papr_core.comparison import video
    from papr_core.comparison.seen import find_explained, find_target
    from papr_core.data import clips
    from papr_core.figures import masked_image

    path = make_clip(folder / "five.mp4", 5, (720, 1280), 2)
    pair = video.load_pair()
    found = {"first_masked": [], "all": []}

    def once() -> None:
        begun = (time.perf_counter(), time.process_time())
        footage = video.open_footage(clips.read_clip(path, pair.pick), pair)
        seen = footage.proposal_probabilities
        aim = find_target(seen, pair.backbone, None)  # PaPr heeds none; the real one needs the full answer
        explained = find_explained(seen, pair.proposal, pair.backbone, aim, "proposal")
        map_ = video.footage_map(footage, "papr", explained)
        each = pair.each_frame(map_.kept(pair.num_kept(len(footage), 0.4))[0], len(footage))
        for frame, kept in zip(footage.shown, each):
            masked_image(np.asarray(frame), kept.numpy(), footage.grid[1:])
        found["first_masked"].append(since(begun))
        result = video.pruned(footage, map_, video.full_answer(footage), 0.4)
        result.save(folder / "saved")
        found["all"].append(since(begun))
        assert len(result.kept) == sum(map(len, each))

    for _ in range(rounds + 1):  # the first warms up
        once()
    for what, times in found.items():
        took, cpu = zip(*times[1:])
        about = {"clip": "5 s of 720p", "frames": 32, "keep": 0.4, "n": rounds}
        yield about | spread(f"{what}_s", took) | spread(f"{what}_cpu_s", cpu)


def since(begun: tuple[float, float]) -> tuple[float, float]:
    """Seconds by the wall and of the processor since then."""
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


# Ten minutes beside ten seconds


def long(folder: Path, rounds: int):
    for apart in (2, 10):
        short = make_clip(folder / f"short-{apart}.mp4", 10, (1080, 1920), apart)
        clips = {"10 s": short, "600 s": repeated(short, folder / f"long-{apart}.mp4", 60)}
        found = {name: [] for name in clips}
        for _ in range(rounds):
            for name, path in clips.items():
                command = [sys.executable, __file__, "--prune", str(path)]
                found[name].append(
                    json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                )
        for name, runs in found.items():
            yield {
                "clip": f"{name} of 1080p",
                "megabytes": clips[name].stat().st_size / 1e6,
                "keyframes_s": apart,
                "n": rounds,
                "exact": runs[0]["exact"],
                **spread("seconds", [run["seconds"] for run in runs]),
                **spread("cpu_s", [run["cpu_s"] for run in runs]),
                "read_s": statistics.median(run["read_s"] for run in runs),
                "peak_mb": max(run["peak_mb"] for run in runs),
            }
        yield {
            "clip": "600 s against 10 s",
            "keyframes_s": apart,
            "n": rounds,
            **{
                key: value
                for unit in ("seconds", "cpu_s")
                for key, value in spread(
                    f"times_{unit}", [a[unit] / b[unit] for a, b in zip(found["600 s"], found["10 s"])]
                ).items()
            },
        }


def prune_alone(path: str) -> dict:
    """One clip in a fresh process, the pair loaded and warmed up before the clock starts."""
    import torch

    from papr_core.comparison import video
    from papr_core.data import clips

    pair = video.load_pair()
    with torch.inference_mode():
        pair.backbone(torch.zeros(1, *pair.backbone.input_size))
    start, cpu = time.perf_counter(), time.process_time()
    clip = clips.read_clip(path, pair.pick)
    read = time.perf_counter() - start
    video.prune_clip(clip, proposal=pair.proposal, backbone=pair.backbone)
    return {
        "seconds": time.perf_counter() - start,
        "cpu_s": time.process_time() - cpu,
        "read_s": read,
        "exact": clip.exact,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


# Clips


def make_clip(path: Path, length: int, size: tuple[int, int], keyframes: int) -> Path:
    """`length` seconds of a texture that drifts some pixels a frame, with keyframes so many seconds apart."""
    import av

    rng = np.random.default_rng(0)
    height, width = size
    coarse = (
        rng.normal(128, 40, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width]
    )
    texture = np.clip(coarse + rng.normal(0, 6, (*size, 1)), 0, 255).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = RATE * keyframes
        for i in range(length * RATE):
            frame = av.VideoFrame.from_ndarray(np.roll(texture, (2 * i, 5 * i), (0, 1)), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def repeated(source: Path, path: Path, times: int) -> Path:
    """The same frames over and over in one file, their packets copied."""
    import av

    with av.open(str(path), "w") as container:
        stream, shift = None, Fraction(0)
        for _ in range(times):
            with av.open(str(source)) as given:
                track = given.streams.video[0]
                stream = stream or container.add_stream_from_template(track)
                for packet in given.demux(track):
                    if packet.dts is None:
                        continue
                    packet.pts += int(shift / track.time_base)
                    packet.dts += int(shift / track.time_base)
                    packet.stream = stream
                    container.mux(packet)
                shift += Fraction(track.frames, RATE)
    return path


PARTS = {"videomae": videomae, "wait": wait, "long": long}

if __name__ == "__main__":
    main()
