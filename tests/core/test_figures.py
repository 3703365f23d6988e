"""Figures: what is drawn is what was given, labels are text, and nothing global changes."""

import io
import re
import threading

import matplotlib
import numpy as np
import pytest
from PIL import Image

from papr_core.errors import InvalidInput
from papr_core.figures import (
    LOOKS,
    Line,
    Panel,
    Row,
    curve_figure,
    figure_bytes,
    masked_image,
    methods_figure,
    overlaid_image,
    save_figure,
)
from papr_core.methods.table import METHODS

HOSTILE = "$\\frac{1}{0}$ & <b>x</b> ${1+1}"


def picture(height=60, width=80):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def row(label="lion", panels=3, proposal_confidence=0.03):
    return Row(
        image=picture(),
        label=label,
        proposal_confidence=proposal_confidence,
        backbone_confidence=0.93,
        panels=[
            Panel(f"Method {i}", np.random.rand(6, 8), np.array([0, 9, 47]), 0.25 * i, i % 2 == 0, "a note")
            for i in range(panels)
        ],
    )


def lines():
    counts = [1, 10, 30, 48]
    several = [[0.1 * d, 0.3, 0.5 + 0.1 * d, 0.9] for d in range(5)]
    return [
        Line("PaPr", "#3b50d6", counts, [[0.1, 0.5, 0.8, 0.9]]),
        Line("Random $x$", "#6b7280", counts, several, dashed=True),
    ]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    ("height", "width", "grid"), [(60, 80, (6, 8)), (112, 112, (14, 14)), (50, 30, (5, 3))]
)
def test_kept_patches_stay_to_the_pixel_and_the_others_do_not(look, height, width, grid):
    image = np.clip(picture(height, width), 1, 254)
    kept = [0, 4, grid[0] * grid[1] - 1]
    found = masked_image(image, np.array(kept), grid, look=look)
    assert found.shape == image.shape
    assert found.dtype == np.uint8
    down, right = height // grid[0], width // grid[1]
    for patch in range(grid[0] * grid[1]):
        top, left = patch // grid[1] * down, patch % grid[1] * right
        place = (slice(top, top + down), slice(left, left + right))
        same = np.array_equal(found[place], image[place])
        assert same == (patch in kept)
        if look in ("white", "black") and patch not in kept:
            assert (found[place] == (255 if look == "white" else 0)).all()


def test_an_unknown_look_is_refused():
    with pytest.raises(InvalidInput, match="dim, white, black, blur"):
        masked_image(picture(), np.array([0]), (6, 8), look="gone")


def test_an_overlay_is_warm_where_the_map_is_high():
    image = np.full((80, 80, 3), 128, dtype=np.uint8)
    significance = np.zeros((8, 8))
    significance[2, 5] = 7.5
    found = overlaid_image(image, significance, colormap="inferno", opacity=1).astype(int).sum(axis=2)
    top, left = divmod(int(found.argmax()), 80)
    assert (top // 10, left // 10) == (2, 5)
    assert (overlaid_image(image, significance, opacity=0) == image).all()
    assert np.ptp(overlaid_image(image, np.full((8, 8), 3.0)), axis=(0, 1)).max() == 0


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_labels_are_text_in_every_format(kind, tmp_path):
    figure = methods_figure([row(label=HOSTILE), row(proposal_confidence=None)], note=HOSTILE)
    path = save_figure(figure, tmp_path / f"figure.{kind}")
    data = path.read_bytes()
    if kind == "png":
        assert Image.open(path).width > 1000
    elif kind == "pdf":
        assert data.startswith(b"%PDF")
        assert b"/FontFile2" in data, "fonts are embedded, as TrueType, so that text stays text"
        assert b"/Type3" not in data
    else:
        text = data.decode()
        assert "${1+1}" in text
        assert "&lt;b&gt;x&lt;/b&gt;" in text or "&lt;b&gt;" in text
        assert "ConvNet n/a" in text
        assert "<b>" not in text
        assert len(re.findall("<text", text)) >= 2 * (2 + 3 * 3) - 3, "text is text, not outlines"


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_figure_gives_the_same_bytes(kind):
    assert (
        figure_bytes(methods_figure([row()]), kind)[:100] == figure_bytes(methods_figure([row()]), kind)[:100]
    )
    one = curve_figure(lines(), num_patches=48, label="x", full_confidence=0.9)
    two = curve_figure(lines(), num_patches=48, label="x", full_confidence=0.9)
    assert figure_bytes(one, kind) == figure_bytes(two, kind)


def test_the_curve_holds_every_point_the_mean_and_the_range():
    figure = curve_figure(lines(), num_patches=48, label=HOSTILE, full_confidence=0.9, keep_ratio=0.4)
    axes = figure.axes[0]
    drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert np.allclose(drawn["PaPr"], [[100 / 48, 10], [1000 / 48, 50], [3000 / 48, 80], [100, 90]])
    assert np.allclose(drawn["Random $x$"][:, 1], [20, 30, 70, 90])
    assert np.allclose(drawn["unpruned 90.0 %"][:, 1], 90)
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(0)
    assert figure_bytes(figure, "svg").decode().count("Random $x$") == 1


def test_every_method_has_its_own_colour():
    for ground in (0, 1):
        assert len({method.colours[ground] for method in METHODS.values()}) == len(METHODS)


@pytest.mark.parametrize("rows", [[], [row(panels=1), row(panels=2)]])
def test_rows_that_do_not_fit_are_refused(rows):
    with pytest.raises(InvalidInput, match="same methods"):
        methods_figure(rows)


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "no/such/folder/figure.png"])
def test_a_place_that_cannot_be_written_is_refused(name, tmp_path):
    with pytest.raises(InvalidInput, match="written"):
        save_figure(methods_figure([row()]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInput, match="png, pdf, svg"):
        figure_bytes(methods_figure([row()]), "gif")


def test_threads_may_draw_and_nothing_global_changes():
    before = dict(matplotlib.rcParams)
    expected = figure_bytes(methods_figure([row(panels=1)]), "svg")
    found = []

    def work():
        for _ in range(3):
            found.append(figure_bytes(methods_figure([row(panels=1)]), "svg"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    texts = {re.sub(r'xlink:href="data[^"]*"', "", one.decode()) for one in [expected, *found]}
    assert len(found) == 24
    assert len({re.sub(r'id="[^"]*"|url\(#[^)]*\)|href="#[^"]*"', "", text) for text in texts}) == 1
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in __import__("sys").modules or not matplotlib.pyplot.get_fignums()


def test_a_png_can_be_read_back():
    assert Image.open(io.BytesIO(figure_bytes(methods_figure([row()]), "png"))).mode == "RGBA"
