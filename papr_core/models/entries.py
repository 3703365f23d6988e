"""What the catalogue says of a model: one class for models of pictures, one for those of clips."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from papr_core.models import labels as _labels
from papr_core.models import weights

__all__ = ["ClipEntry", "Entry"]


@dataclass(frozen=True)
class Entry:
    """A model: its name (timm's with tag, or a file's), the part it plays, and what timm does not know of it.

    role: "proposal" or "backbone"; megabytes: of the published file, None for what is embedded or has no line
    here (`weights.locate` and `weights.megabytes` know); family: "convnet" for a proposal; for a backbone
    what is pruned, and so which module of `backbones/` knows how ("tokens", "pixels", "tubelets"); None where
    the built model must tell. sees_clips: it looks at clips, not at pictures.

    >>> import papr_core
    >>> entry = papr_core.PROPOSALS["mobileone_s0.apple_in1k"]
    >>> entry.title, entry.megabytes, entry.input_size
    ('MobileOne-S0', 21.5, (3, 224, 224))
    """

    name: str
    role: str
    title: str
    paper: str = ""
    megabytes: float | None = None
    family: str | None = None
    sees_clips: ClassVar[bool] = False

    @property
    def config(self) -> dict[str, Any]:
        """The weights' configuration, in the form of timm's hub config.json."""
        return weights.read_config(self.name)

    @property
    def architecture(self) -> str:
        """timm's name of the architecture."""
        return self.config["architecture"]

    @property
    def licence(self) -> str:
        """As the weights' own configuration says."""
        return self.config["pretrained_cfg"].get("license") or "not stated"

    @property
    def source(self) -> str:
        """Where the weights come from: an address, or "embedded" or "local"."""
        published = self.config["pretrained_cfg"]
        if published.get("hf_hub_id"):
            return f"https://huggingface.co/{published['hf_hub_id']}"
        return published.get("url") or published.get("origin_url") or weights.own_kind(self.name) or "nowhere"

    @property
    def input_size(self) -> tuple[int, ...]:
        """(3, H, W), as the weights are meant to be used."""
        return tuple(self.config["pretrained_cfg"]["input_size"])

    @property
    def headless(self) -> bool:
        """Whether it has no classifier."""
        return self.config["num_classes"] < 1

    def locate(self) -> weights.Source:
        """Where its weights are now. Raises WeightsUnavailable where nobody has published any."""
        return weights.locate(self.name)

    def fetch(self, progress: weights.Progress | None = None) -> weights.Source:
        """Its weights on this machine, downloaded where they have to be. Raises WeightsUnavailable."""
        return weights.fetch(self.locate(), progress)

    @property
    def labels(self) -> _labels.Labels:
        """The names of the model's classes."""
        config = self.config
        return _labels.from_config(config, config["num_classes"])


@dataclass(frozen=True)
class ClipEntry(Entry):
    """A model that looks at clips. timm knows none of them, so a line holds what their publishers say.

    frames and side: (3, frames, side, side) is `input_size`, the order of a ConvNet's tensors; a loaded
    VideoMAE's own `input_size` is in the order of its tensors, (frames, 3, side, side). published and file:
    see `weights.locate_published`.
    """

    sees_clips: ClassVar[bool] = True
    frames: int = 16
    side: int = 224
    published: dict[str, str] = field(default_factory=dict)
    file: str = ""
    stated_licence: str = "not stated"

    @property
    def architecture(self) -> str:
        """The name that is built."""
        return self.name

    @property
    def licence(self) -> str:
        """As its publishers say."""
        return self.stated_licence

    @property
    def source(self) -> str:
        """Where the weights come from: an address, or "nowhere"."""
        if self.published.get("hf_hub_id"):
            return f"https://huggingface.co/{self.published['hf_hub_id']}"
        return self.published.get("url", "nowhere")

    @property
    def input_size(self) -> tuple[int, ...]:
        """(3, frames, H, W), as the weights are meant to be used."""
        return (3, self.frames, self.side, self.side)

    @property
    def labels(self) -> _labels.Labels:
        """The names of the classes that it was published with."""
        return _labels.kinetics()

    @property
    def headless(self) -> bool:
        return False

    def locate(self) -> weights.Source:
        """Where its weights are now. Raises WeightsUnavailable where nobody has published any."""
        return weights.locate_published(self.name, self.published, self.file)
