"""What models of clips there are: one line each, beside catalog.py's models of pictures.

timm knows none of them, so a line holds what their publishers say.
"""

from dataclasses import dataclass, field

from papr_core.models import labels as _labels
from papr_core.models import weights

__all__ = ["VIDEO_BACKBONES", "VIDEO_PROPOSALS", "VideoEntry", "find_video"]


@dataclass(frozen=True)
class VideoEntry:
    """A model that looks at clips: its name, the part it plays, and what is published of it.

    input_size: (3, frames, height, width), the order of a ConvNet's tensors; a loaded VideoMAE's own
    `input_size` is in the order of its tensors, (frames, 3, height, width). published and file: see
    `weights.locate_published`.
    """

    name: str
    role: str
    title: str
    paper: str
    input_size: tuple[int, int, int, int]
    published: dict = field(default_factory=dict)
    file: str = ""
    licence: str = "not stated"
    megabytes: float | None = None

    @property
    def architecture(self) -> str:
        """The name that is built."""
        return self.name

    @property
    def source(self) -> str:
        """Where the weights come from: an address, or "nowhere"."""
        if self.published.get("hf_hub_id"):
            return f"https://huggingface.co/{self.published['hf_hub_id']}"
        return self.published.get("url", "nowhere")

    @property
    def labels(self) -> _labels.Labels:
        """The names of the classes that it was published with."""
        return _labels.kinetics()

    def locate(self) -> weights.Source:
        """Where its weights are now. Raises WeightsUnavailable where nobody has published any."""
        return weights.locate_published(self.name, self.published, self.file)


_X3D = "https://arxiv.org/abs/2004.04730"
_SLOW = "https://arxiv.org/abs/1812.03982"
_VIDEOMAE = "https://arxiv.org/abs/2203.12602"
_ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


def _convnet(name: str, title: str, paper: str, frames: int, side: int, file: str) -> VideoEntry:
    published = {"url": _ZOO + file} if file else {}
    return VideoEntry(name, "proposal", title, paper, (3, frames, side, side), published, file)


def _videomae(size: str) -> VideoEntry:
    name = f"videomae-{size}-finetuned-kinetics"
    return VideoEntry(
        name,
        "backbone",
        f"VideoMAE-{size[0].upper()}",
        _VIDEOMAE,
        (3, 16, 224, 224),
        {"hf_hub_id": f"MCG-NJU/{name}"},
        f"{name}.safetensors",
        "CC BY-NC 4.0",
    )


VIDEO_PROPOSALS: dict[str, VideoEntry] = {
    entry.name: entry
    for entry in (
        _convnet("x3d_xs", "X3D-XS", _X3D, 4, 160, "X3D_XS.pyth"),
        _convnet("x3d_s", "X3D-S", _X3D, 13, 160, "X3D_S.pyth"),
        _convnet("x3d_m", "X3D-M", _X3D, 16, 224, "X3D_M.pyth"),
        _convnet("slow_r50", "Slow-only R50", _SLOW, 8, 224, "SLOW_8x8_R50.pyth"),
        _convnet("slow_r101", "Slow-only R101, random weights only", _SLOW, 8, 224, ""),
    )
}
VIDEO_BACKBONES: dict[str, VideoEntry] = {
    entry.name: entry for entry in map(_videomae, ("small", "base", "large", "huge"))
}
_TABLES = {"proposal": VIDEO_PROPOSALS, "backbone": VIDEO_BACKBONES}


def find_video(name: str, role: str) -> VideoEntry | None:
    """The entry of a model that looks at clips, by its name or its short one (videomae_base); else None."""
    table = _TABLES[role]
    short = {key.split("-finetuned")[0].replace("-", "_"): key for key in table}
    return table.get(short.get(name, name)) if isinstance(name, str) else None
