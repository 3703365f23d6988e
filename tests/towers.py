"""Small random CLIPs and SigLIPs, both towers, in the folder and tokenizer formats of the hub."""

import json
from pathlib import Path

SIDE = 48  # pixels: 36 patches
TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
CLASSES = "a photo of a mug; a photo of a bowl; a dog"
SETTINGS = {"image_mean": [0.48, 0.45, 0.4], "image_std": [0.27, 0.26, 0.28]}


def write_towers(place: Path, kind: str):
    """The model, kind "CLIP" or "Siglip", after it was saved in this folder."""
    import torch
    import transformers

    text = {"vocab_size": 60, "max_position_embeddings": 24, "eos_token_id": 57, "projection_size": 32}
    vision = {**TOWER, "image_size": SIDE, "patch_size": 8}
    config = getattr(transformers, f"{kind}Config")(vision_config=vision, text_config=TOWER | text)
    model = getattr(transformers, f"{kind}Model")(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # big enough that a dropped patch shows in the answer
            parameter.normal_(std=0.3, generator=generator) if parameter.ndim > 1 else None
    model.save_pretrained(place)
    (place / "preprocessor_config.json").write_text(json.dumps(SETTINGS))
    write_tokenizer(place)
    return model


def write_tokenizer(folder: Path) -> None:
    """vocab.json and merges.txt: letters, letters that end a word, and a few pairs, as CLIP's are."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    merges = ["o f</w>", "m u", "d o", "do g</w>"]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *(pair.replace(" ", "") for pair in merges)]
    vocabulary = {word: i for i, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
