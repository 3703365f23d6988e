"""Models of transformers by name, hf:OWNER/NAME: where the files of their repository are.

A repository is three files here: config.json, preprocessor_config.json (where there is one) and the weights.
They are looked for in the user's own folders (a folder NAME as `save_pretrained` writes it, or OWNER/NAME),
then in the hub's cache, then downloaded.
"""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from papr_core.errors import PaprError, UnknownModel
from papr_core.models import labels as _labels
from papr_core.models import weights
from papr_core.models.entries import Entry
from papr_core.models.preprocessing import read_json, size_in

__all__ = ["PREFIX", "HubEntry", "locate", "own_repositories", "repository"]

PREFIX = "hf:"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_CONFIG, _PREPROCESSOR, _WEIGHTS = "config.json", "preprocessor_config.json", "pytorch_model.bin"


def repository(name: str) -> str:
    """hf:OWNER/NAME to OWNER/NAME. Raises UnknownModel for what is no name."""
    found = name.removeprefix(PREFIX)
    if not name.startswith(PREFIX) or not _NAME.fullmatch(found) or len(found) > 150 or ".." in found:
        raise UnknownModel(f"A model of transformers is named hf:OWNER/NAME, not {name[:80]!r}.")
    return found


def locate(name: str, file: str = _WEIGHTS) -> weights.Source:
    """Where a file of a repository is now; safetensors are preferred. Never touches the network."""
    owner_and_name = repository(name)
    title = owner_and_name.rpartition("/")[2]
    alike = ("model.safetensors", "model.safetensors.index.json") if file == _WEIGHTS else ()
    published = {"hf_hub_id": owner_and_name, "hf_hub_filename": file}
    config = {
        "architecture": name,
        "pretrained_cfg": published,
        "file": f"the folder {title} (config.json, model.safetensors)",
    }
    for folder in weights.own_folders():
        for place in (folder / owner_and_name, folder / title):
            for path in (place / one for one in (*alike, file)):
                if path.is_file():
                    return weights.Source(name, "local", path, config, path.stat().st_size / 1e6)
    path = weights.cached_file(owner_and_name, file)
    if path is not None:
        return weights.Source(name, "cached", path, config, path.stat().st_size / 1e6)
    return weights.Source(name, "download", None, config)


def own_repositories() -> tuple[str, ...]:
    """hf:NAME or hf:OWNER/NAME of the models of transformers in the user's own folders, by their
    config.json; those that are no image model too."""
    found = set()
    for folder in weights.own_folders():
        for path in (*folder.glob("*/config.json"), *folder.glob("*/*/config.json")):
            name = f"{PREFIX}{path.parent.relative_to(folder).as_posix()}"
            if _NAME.fullmatch(name.removeprefix(PREFIX)) and read_json(path).get("architectures"):
                found.add(name)
    return tuple(sorted(name for name in found if locate(name).kind == "local"))


@dataclass(frozen=True)
class HubEntry(Entry):
    """A model of transformers. What a line of the catalogue states holds until its files are on this machine;
    a model without a line states nothing.

    stated_licence, side, classes: of the published model; classes 0 is a tower without a classifier.
    """

    stated_licence: str = "not stated"
    side: int = 224
    classes: int = 0

    @property
    def settings(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """config.json and preprocessor_config.json, empty where they are not on this machine."""
        config, preprocessor = (read_json(locate(self.name, file).path) for file in (_CONFIG, _PREPROCESSOR))
        return config, preprocessor

    @property
    def config(self) -> dict[str, Any]:
        """The same in the form of timm's hub config.json."""
        size = {"input_size": self.input_size}
        return {"architecture": self.architecture, "pretrained_cfg": size, "num_classes": len(self.labels)}

    @property
    def architecture(self) -> str:
        """The class of transformers."""
        return next(iter(self.settings[0].get("architectures") or [self.name]))

    @property
    def licence(self) -> str:
        """As its publishers say."""
        return self.stated_licence

    @property
    def source(self) -> str:
        """An address, or "local"."""
        if locate(self.name).kind == "local":
            return "local"
        return f"https://huggingface.co/{repository(self.name)}"

    @property
    def input_size(self) -> tuple[int, ...]:
        """(3, H, W)."""
        config, preprocessor = self.settings
        size = size_in(preprocessor) or config.get("image_size") or self.side
        return (3, *size) if isinstance(size, list | tuple) else (3, size, size)

    @property
    def labels(self) -> _labels.Labels:
        """The names of its classes."""
        config, _ = self.settings
        if "ForImageClassification" in self.architecture and isinstance(config.get("id2label"), dict):
            count = len(config["id2label"])
            return _labels.given(_labels.of_names(config["id2label"], count), count)
        return _labels.imagenet() if not config and self.classes == 1000 else _labels.given(None, 0)

    @property
    def headless(self) -> bool:
        return not len(self.labels)

    def locate(self) -> weights.Source:
        """Where its weights are now."""
        return locate(self.name)

    def fetch(self, progress: weights.Progress | None = None) -> weights.Source:
        """Its weights, and what stands beside them, on this machine; downloaded where they have to be.

        Raises:
            WeightsUnavailable: they cannot be had, and what to do.
        """
        self.fetch_config()
        return weights.fetch(locate(self.name), progress)

    def fetch_config(self) -> Path:
        """The folder with its config.json; downloaded where it has to be. Raises WeightsUnavailable."""
        found = weights.fetch(locate(self.name, _CONFIG))
        if not found.file.with_name(_PREPROCESSOR).is_file():
            with contextlib.suppress(
                PaprError
            ):  # not every repository has one: its pictures' mean is a guess
                weights.fetch(locate(self.name, _PREPROCESSOR))
        return found.file.parent
