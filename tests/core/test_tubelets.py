"""VideoMAE pruned: against transformers' own forward, published files, and the pair on a clip."""

import json

import numpy as np
import pytest
import torch
from page_server import picture
from safetensors.torch import save_file

from papr_core import InvalidInput, ToMe, UnknownModel, UnsupportedModel, WeightsUnavailable, prune_clip
from papr_core.comparison.clip_pair import TubePair
from papr_core.comparison.video import find_pair, load_pair
from papr_core.cost import backbone_gmacs, count_macs
from papr_core.data.clips import Clip, ClipInfo
from papr_core.models import weights
from papr_core.models.backbones import load_backbone
from papr_core.models.backbones.tubelets import TubeletBackbone, _attention, build_videomae
from papr_core.models.catalog import BACKBONES
from papr_core.models.labels import kinetics
from papr_core.models.proposals import load_proposal
from papr_core.pruning.significance import patch_significance

SMALL = {
    "image_size": 48,
    "patch_size": 16,
    "num_frames": 8,
    "hidden_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 96,
}
TUBELETS = 4 * 3 * 3


def small(**changes) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_videomae("small", **SMALL, **changes)
    for parameter in model.parameters():  # random weights answer alike whatever they see; these do not
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim > 1 else None
    return model


@pytest.fixture(scope="module")
def backbone():
    return TubeletBackbone(small(), BACKBONES["videomae-small-finetuned-kinetics"])


@pytest.fixture(scope="module")
def clips():
    return torch.randn(3, 8, 3, 48, 48, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def kept():
    order = [torch.randperm(TUBELETS, generator=torch.Generator().manual_seed(i))[:13] for i in range(3)]
    return torch.stack(order)


# Laws


def test_ratio_one_is_the_library_s_own_forward(backbone, clips):
    everything = torch.arange(TUBELETS).expand(3, -1)
    with torch.inference_mode():
        own = backbone.model(clips).logits
        assert torch.equal(backbone(clips), own)
        assert torch.equal(backbone(clips, everything), own)
        assert torch.equal(backbone(clips, everything.flip(1)), own)
    assert backbone.num_kept(1.0) == TUBELETS


def test_dropping_is_gathering_the_embedded_tubelets(backbone, clips, kept):
    model = backbone.model
    with torch.inference_mode():
        found = backbone(clips, kept)
        for i, patches in enumerate(kept):
            x = model.videomae.embeddings(clips[i : i + 1], None)[:, patches.sort().values]
            for layer in model.videomae.encoder.layer:
                x = layer(x)
            expected = model.classifier(model.fc_norm(x.mean(dim=1)))
            torch.testing.assert_close(found[i : i + 1], expected, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(found, backbone(clips), atol=1e-3)


def test_order_and_batch_do_not_matter(backbone, clips, kept):
    with torch.inference_mode():
        found = backbone(clips, kept)
        torch.testing.assert_close(backbone(clips, kept.flip(1)), found, atol=1e-5, rtol=1e-5)
        for i in range(3):
            torch.testing.assert_close(
                backbone(clips[i : i + 1], kept[i : i + 1])[0], found[i], atol=1e-4, rtol=1e-4
            )
        several = backbone(clips[:1], kept)  # one clip, three choices
        torch.testing.assert_close(several[0], found[0], atol=1e-4, rtol=1e-4)
        other = clips.clone()
        other[1] += 1
        torch.testing.assert_close(backbone(other, kept)[[0, 2]], found[[0, 2]], atol=1e-5, rtol=1e-5)


def test_dropped_tubelets_are_not_seen(backbone, clips, kept):
    changed = clips.clone()
    for tubelet in set(range(TUBELETS)) - set(kept[0].tolist()):
        time, row, column = np.unravel_index(tubelet, backbone.grid)
        changed[0, 2 * time : 2 * time + 2, :, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 9
    with torch.inference_mode():
        assert torch.equal(backbone(changed[:1], kept[:1]), backbone(clips[:1], kept[:1]))


def test_selection_is_over_the_whole_clip(backbone):
    coarse = torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    significance = patch_significance(coarse, backbone.grid)[0].flatten()
    chosen = backbone.select(coarse, 0.3)[0].tolist()
    assert chosen == sorted(
        significance.argsort(descending=True, stable=True)[: int(0.3 * TUBELETS)].tolist()
    )
    assert torch.equal(backbone.select(1000 * coarse, 0.3), backbone.select(coarse, 0.3))
    assert backbone.select(torch.ones(1, 3, 2, 2), 0.1).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    "wrong",
    [
        torch.tensor([[0, 0]]),
        torch.tensor([[36]]),
        torch.tensor([[-1]]),
        torch.tensor([[1.0]]),
        torch.zeros(2, 0, dtype=torch.int64),
    ],
)
def test_kept_that_are_no_tubelets_are_refused(wrong, backbone, clips):
    with pytest.raises(InvalidInput):
        backbone(clips[:1], wrong)


def test_clips_of_another_size_are_refused(backbone, clips):
    with pytest.raises(InvalidInput, match="takes clips"):
        backbone(clips[:, :4])
    with pytest.raises(InvalidInput, match="takes clips"):
        backbone(clips.transpose(1, 2))


def test_threads_share_one_model(backbone, clips, kept):
    from concurrent.futures import ThreadPoolExecutor

    with torch.inference_mode():
        expected = [backbone(clips[i : i + 1], kept[i : i + 1]) for i in range(3)]

    def one(i):
        with torch.inference_mode():
            return torch.allclose(backbone(clips[i : i + 1], kept[i : i + 1]), expected[i], atol=1e-5)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, [0, 1, 2] * 10))


def test_a_model_that_reads_one_token_is_refused():
    with pytest.raises(UnsupportedModel, match="does not average"):
        TubeletBackbone(small(use_mean_pooling=False), BACKBONES["videomae-small-finetuned-kinetics"])


# Merging on top


def test_merging_nothing_is_plain_and_the_written_blocks_are_the_library_s(backbone, clips, kept):
    with torch.inference_mode():
        plain = backbone(clips, kept)
        assert torch.equal(backbone(clips, kept, reduction=ToMe(0)), plain)
        assert not torch.equal(backbone(clips, kept, reduction=ToMe([0, 0, 0, 1])), plain)
        attention = backbone.model.videomae.encoder.layer[0].attention
        x = torch.randn(2, 9, 48)
        ours, _ = _attention(attention, x, None)
        torch.testing.assert_close(ours, attention(x), atol=1e-5, rtol=1e-5)


def test_equal_tokens_merge_without_a_trace(backbone):
    """Sizes are heeded in attention and in the mean: pairs of equal tokens count as two."""
    model = backbone.model
    x = torch.randn(1, 6, 48, generator=torch.Generator().manual_seed(2)).repeat_interleave(2, dim=1)
    with torch.inference_mode():
        hidden = x
        for layer in model.videomae.encoder.layer:
            hidden = layer(hidden)
        expected = model.classifier(model.fc_norm(hidden.mean(dim=1)))
        torch.testing.assert_close(
            backbone._reduced(x, ToMe(6), (6, 0, 0, 0)), expected, atol=1e-4, rtol=1e-4
        )


# Costs


def test_costs_follow_the_formula():
    with torch.device("meta"):
        model = load_backbone("videomae_small", pretrained=False, device="meta")
    full = 1568 * 1536 * 384 + 12 * (1568 * 12 * 384**2 + 2 * 1568**2 * 384) + 384 * 400
    assert count_macs(model, torch.empty(1, 16, 3, 224, 224, device="meta")) == full
    half = 1568 * 1536 * 384 + 12 * (784 * 12 * 384**2 + 2 * 784**2 * 384) + 384 * 400
    assert round(backbone_gmacs(model, 0.5) * 1e9) == half


# Published files


def test_published_files_load_strictly(tmp_path, monkeypatch):
    from papr_core.models.backbones import tubelets

    model = small()
    name = "videomae-small-finetuned-kinetics"
    state = {  # as published: the biases of query and value stand apart
        key.replace("query.bias", "q_bias").replace("value.bias", "v_bias"): value.clone()
        for key, value in model.state_dict().items()
    }
    assert sum("q_bias" in key for key in state) == 4
    save_file(state, tmp_path / f"{name}.safetensors")
    monkeypatch.setattr(
        tubelets, "build_videomae", lambda size, **changes: build_videomae(size, **SMALL, **changes)
    )
    with weights.configured(weights_dir=tmp_path):
        loaded = load_backbone("videomae_small")
        for key, value in loaded.model.state_dict().items():
            assert torch.equal(value, model.state_dict()[key]), key
        assert loaded.labels == kinetics()
        assert loaded.weights.kind == "local"
        torch.save(state, tmp_path / f"{name}.bin")
        (tmp_path / f"{name}.safetensors").unlink()
        assert torch.equal(load_backbone(name).model.classifier.weight, model.classifier.weight)

        names = {str(i): f"thing {i}" for i in range(400)}
        (tmp_path / f"{name}.json").write_text(json.dumps({"id2label": names}))
        assert load_backbone(name).labels[7] == "thing 7"
        (tmp_path / f"{name}.json").write_text("{}")
        with pytest.raises(WeightsUnavailable, match="id2label"):
            load_backbone(name)
        (tmp_path / f"{name}.json").unlink()
        torch.save(
            {key: value for key, value in state.items() if "fc_norm" not in key}, tmp_path / f"{name}.bin"
        )
        with pytest.raises(WeightsUnavailable, match="not those of"):
            load_backbone(name)


def test_without_weights_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with (
        weights.configured(weights_dir=tmp_path, downloads=False),
        pytest.raises(WeightsUnavailable, match="put videomae-base-finetuned-kinetics.safetensors"),
    ):
        load_backbone("videomae_base")
    with pytest.raises(UnknownModel, match="no backbone named"):
        load_backbone("videomae_giant")


# On a clip


@pytest.fixture(scope="module")
def video_pair(backbone):
    torch.manual_seed(0)
    return load_proposal("x3d_xs", pretrained=False), backbone


@pytest.fixture(scope="module")
def clip():
    frames = tuple(picture(i, (80, 64)) for i in range(8))
    return Clip(frames, tuple(i / 6 for i in range(8)), ClipInfo("none", 80, 64, 8 / 6, 8))


def test_the_pair_ranks_all_tubelets_of_the_clip(video_pair, clip):
    proposal, backbone = video_pair
    result = prune_clip(clip, proposal=proposal, backbone=backbone, keep_ratio=0.4)
    crops = [backbone.fit(frame) for frame in clip.frames]
    seen = torch.cat([backbone.view(crop) for crop in crops]).unsqueeze(0)
    with torch.inference_mode():
        features = proposal.features(proposal.view(crops))
        expected = backbone.select(features.mean(dim=1), 0.4)
        answer = backbone(seen, expected).softmax(dim=-1)[0]
    assert result.kept.tolist() == expected[0].tolist()
    torch.testing.assert_close(result.pruned[0], answer, atol=1e-5, rtol=1e-4)
    each = result.each_frame()
    assert len(each) == 8
    assert all(each[2 * i] == each[2 * i + 1] for i in range(4))
    assert sum(map(len, each)) == 2 * len(result.kept)
    assert result.to_dict()["patches"] == TUBELETS
    assert torch.equal(
        prune_clip(clip, proposal=proposal, backbone=backbone, keep_ratio=1.0).pruned[0], result.full
    )


@pytest.mark.parametrize("method", ["papr", "grad-cam", "random", "center", "reversed"])
def test_methods_on_tubelets(method, video_pair, clip):
    result = prune_clip(clip, proposal=video_pair[0], backbone=video_pair[1], method=method)
    assert len(result.kept) == int(0.4 * TUBELETS)
    assert result.method.significance.shape[1:] == (4, 3, 3)


def test_cam_is_refused_for_x3d_in_words(video_pair, clip):
    with pytest.raises(UnsupportedModel, match=r"CAM does not work with x3d_xs.*head is more than that"):
        prune_clip(clip, proposal=video_pair[0], backbone=video_pair[1], method="cam")


def test_grad_cam_and_cam_agree_with_a_slow_loop_on_slow_r50():
    from papr_core.methods.table import method_map

    torch.manual_seed(0)
    proposal = load_proposal("slow_r50", pretrained=False)
    features = torch.rand(1, 2048, 8, 7, 7)
    cam = method_map("cam", proposal, None, features, class_index=3, grid=(8, 14, 14))[0, 0]
    expected = sum(proposal.class_weights[3, k] * features[0, k] for k in range(2048))
    torch.testing.assert_close(cam, expected, atol=1e-4, rtol=1e-4)
    grad = method_map("grad-cam", proposal, None, features, class_index=3, grid=(8, 14, 14))[0, 0]
    # with pooling and one linear layer, the mean gradient is the weight over the number of places
    torch.testing.assert_close(grad, (expected / 392).relu(), atol=1e-6, rtol=1e-3)


def test_pairs_of_two_kinds_are_refused(video_pair, pair):
    with pytest.raises(UnsupportedModel, match="choose two of a kind"):
        find_pair(pair[0], video_pair[1])
    with pytest.raises(UnsupportedModel, match="choose two of a kind"):
        find_pair(video_pair[0], pair[1])
    with pytest.raises(UnsupportedModel, match="choose two of a kind"):
        load_pair("x3d_s")  # before its weights are looked for
    pixels = next(name for name, entry in BACKBONES.items() if entry.family == "pixels")
    with pytest.raises(UnsupportedModel, match="choose a ViT"):
        load_pair(None, pixels)
    assert isinstance(load_pair(*video_pair), TubePair)


def test_the_frames_are_every_fourth_of_the_middle(video_pair):
    assert TubePair(*video_pair).pick(300)[:2] == [136, 140]
