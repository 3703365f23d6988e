"""Apple's own MobileOne files, brought to timm's names: merged (mobileone_s0.pth.tar) and not (_unfused).

MobileOne, https://arxiv.org/abs/2206.04040; files and their names: https://github.com/apple/ml-mobileone.
"""

import re

from torch import Tensor, nn

__all__ = ["loaded", "recognised"]

_WORDS = (
    (r"^stage0\.", "stem."),
    (r"^stage(\d+)\.", lambda found: f"stages.{int(found[1]) - 1}."),
    (r"^linear\.", "head.fc."),
    (r"\.rbr_skip\.", ".identity."),
    (r"\.rbr_conv\.", ".conv_kxk."),
    (r"\.rbr_scale\.", ".conv_scale."),
    (r"\.se\.reduce\.", ".attn.fc1."),
    (r"\.se\.expand\.", ".attn.fc2."),
)


def recognised(state: dict[str, Tensor]) -> bool:
    """Whether these tensors have the names of Apple's files."""
    return any(key.startswith(("stage0.reparam_conv.", "stage0.rbr_")) for key in state)


def loaded(model: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    """timm's MobileOne with these tensors; its branches are merged where those of the file are.

    Raises:
        RuntimeError: tensors that are not this model's, as `load_state_dict` says it.
    """
    from timm.utils import reparameterize_model

    if any(".reparam_conv." in key for key in state):
        model = reparameterize_model(model.eval(), inplace=True)
    model.load_state_dict({_renamed(key): value for key, value in state.items()}, strict=True)
    return model


def _renamed(key: str) -> str:
    for word, other in _WORDS:
        key = re.sub(word, other, key)
    return key
