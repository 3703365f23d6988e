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
    Cut,
    Display,
    Line,
    Panel,
    Paper,
    Row,
    at_ratios,
    curve_figure,
    figure_bytes,
    masked_image,
    methods_figure,
    numbers_table,
    overlaid_image,
    save_figure,
)
from papr_core.methods.table import METHODS

HOSTILE = "$\\frac{1}{0}$ & <b>x</b> ${1+1}"


def picture(height=60, width=80):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def row(label="lion", panels=3, proposal_confidence=0.03, **more):
    maps = np.random.default_rng(1).random((panels, 6, 8))
    return Row(
        image=picture(),
        grid=(6, 8),
        label=label,
        proposal_confidence=proposal_confidence,
        backbone_confidence=0.93,
        keep=[0.4],
        panels=[
            Panel(f"Method {i}", maps[i], [Cut(np.array([0, 9, 47]), 0.25 * i, i % 2 == 0)], "a note")
            for i in range(panels)
        ],
        **more,
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


# For a paper


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def cells(figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()).astype(int) for axes in figure.axes]


def test_the_looks_of_the_screen_are_those_of_the_figure():
    """Maps, masks, opacity and scale are the chosen ones; two maps of one scale share their colours."""
    one, look = row(panels=2), Display("black", "viridis", 1.0, "raw")
    _, first, kept, *_ = cells(methods_figure([one], display=look))
    inside = Image.fromarray(one.panels[0].significance.astype(np.float32))
    smooth = np.asarray(inside.resize(first.shape[1::-1], Image.Resampling.BILINEAR))
    expected = 255 * matplotlib.colormaps["viridis"](smooth)[..., :3]
    assert np.abs(first - expected).max() < 2
    assert (kept == 0).all(axis=2).mean() > 0.9
    single = cells(methods_figure([one], display=Display(opacity=1.0)))[1]
    together = cells(methods_figure([one], display=Display(opacity=1.0, scale="shared")))
    lowest = min(panel.significance.min() for panel in one.panels)
    highest = max(panel.significance.max() for panel in one.panels)
    again = overlaid_image(
        together[0].astype(np.uint8), one.panels[0].significance, opacity=1.0, ends=(lowest, highest)
    )
    assert np.abs(together[1] - again).max() <= 4
    assert np.abs(together[1] - single).max() > 8


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"look": "gone"}, "dim, white, black, blur"),
        ({"colours": "jet"}, "inferno"),
        ({"scale": "log"}, "image, shared, raw"),
        ({"opacity": 1.5}, "0 to 1"),
        ({"opacity": float("nan")}, "0 to 1"),
    ],
)
def test_a_display_that_is_none_is_refused(how, said):
    with pytest.raises(InvalidInput, match=said):
        Display(**how)


@pytest.mark.parametrize("layout", ["columns", "rows"])
@pytest.mark.parametrize(("width", "text"), [(8.25, 7.0), (17.5, 9.0)])
def test_a_figure_has_the_width_and_the_text_that_were_asked_for(layout, width, text):
    rows = [at_ratios([row(panels=2), row(panels=2)]) for _ in range(1 if width < 10 else 2)]
    figure = methods_figure(rows, paper=Paper(layout, width, text))
    assert figure.get_figwidth() == pytest.approx(width / 2.54)
    assert {one.get_fontsize() for one in figure.texts} == {text}
    assert len(cells(figure)) == len(rows) * (1 + 2 * 3)
    renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else None
    boxes = [one.get_window_extent(renderer) for one in figure.texts if one.get_text()]
    assert all(box.x0 >= -1 and box.x1 <= figure.bbox.width + 1 for box in boxes), "no text beyond the paper"
    for i, box in enumerate(boxes):
        for other in boxes[:i]:
            apart = (
                box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 + 2 or other.y1 <= box.y0 + 2
            )
            assert apart, "no text over another"
    silent = methods_figure(rows, paper=Paper(layout, width, text, numbers=False))
    assert not any("93.0" in one or "kept" in one for one in words(silent))
    assert "Method 1" in words(silent)


def test_patches_are_whole_pixels_of_print():
    figure = methods_figure([row(panels=2)], paper=Paper(width=8.25, text=7))
    width, height = figure.get_size_inches() * figure.dpi
    for axes, cell in zip(figure.axes, cells(figure)):
        assert cell.shape[1] % 8 == 0
        box = axes.get_position()
        assert box.width * width == pytest.approx(cell.shape[1])
        assert box.x0 * width == pytest.approx(round(box.x0 * width), abs=1e-6)
        assert box.y0 * height == pytest.approx(round(box.y0 * height), abs=1e-6)


def test_what_does_not_fit_is_refused_and_a_paper_that_is_none():
    with pytest.raises(InvalidInput, match=r"6 pictures side by side .* 5 cm .* rows"):
        methods_figure([row(panels=5)], paper=Paper(width=5))
    for how in ({"layout": "diagonal"}, {"width": 1.0}, {"text": 50.0}, {"width": float("nan")}):
        with pytest.raises(InvalidInput):
            Paper(**how)


def test_kept_names_its_class_where_the_number_is_about_another():
    """A figure once printed "tabby 0.3 %, kept" where another class was kept."""
    said = words(methods_figure([row(label="tabby", answer=("Egyptian cat", 0.9))]))
    assert "✓ Egyptian cat kept" in said
    assert "✗ Egyptian cat lost" in said
    assert not {"✓ kept", "✗ lost"} & {*said}
    assert any("its answer: Egyptian cat" in one for one in said)
    assert {"✓ kept", "✗ lost"} <= {*words(methods_figure([row()]))}


def test_what_the_visitor_chose_is_cut_once():
    hand = Panel("By hand", None, [Cut(np.array([1]), 0.5, True)])
    one = Row(picture(), (6, 8), "lion", None, 0.9, [0.4], [hand])
    other = Row(picture(), (6, 8), "lion", None, 0.9, [0.2], [hand])
    joined = at_ratios([one, other])
    assert joined.keep == [0.4, 0.2]
    assert [cut is not None for cut in joined.panels[0].cuts] == [True, False]
    assert len(cells(methods_figure([joined]))) == 3


def test_the_table_has_every_number_of_the_figure():
    rows = [at_ratios([row(name="a_b & c.jpg"), row(name="a_b & c.jpg")])]
    lines = [line.split(",") for line in numbers_table(rows, "csv").splitlines()]
    assert lines[0] == [
        "picture",
        "class",
        "method",
        "keep_ratio",
        "kept",
        "patches",
        "confidence",
        "draws",
        "unpruned_answer",
        "kept_answer",
        "top1",
    ]
    assert lines[1][2:7] == ["unpruned", "1", "48", "48", "0.930000"]
    assert lines[4] == [
        "a_b & c.jpg",
        "lion",
        "Method 1",
        "0.4",
        "3",
        "48",
        "0.250000",
        "1",
        "lion",
        "no",
        "",
    ]
    assert len(lines) == 1 + 1 + 3 * 2
    text = numbers_table(rows, "tex", note="78 of 196 (40 %)")
    assert text.startswith("% 78 of 196 (40 %)\n")
    assert r"\emph{a\_b \& c.jpg: lion, unpruned 93.0 \%}" in text
    assert r"Method 1 & 25.0 & lost & 25.0 & lost \\" in text
    with pytest.raises(InvalidInput, match="csv or tex"):
        numbers_table(rows, "xls")


def test_a_small_target_fills_its_curve():
    faint = [Line("PaPr", "#3b50d6", [1, 48], [[0.001, 0.004]])]
    axes = curve_figure(faint, num_patches=48, label="x", full_confidence=0.003).axes[0]
    assert axes.get_ylim()[1] == pytest.approx(1.02)
    narrow = curve_figure(
        lines(), num_patches=48, label=HOSTILE, full_confidence=0.9, paper=Paper(width=8.25, text=7)
    )
    assert narrow.get_figwidth() == pytest.approx(8.25 / 2.54)
    assert {text.get_fontsize() for text in narrow.axes[0].get_xticklabels()} == {7}
    assert b"/Type3" not in figure_bytes(narrow, "pdf")


def test_a_number_is_not_parted_from_its_percent_sign():
    from papr_core.figures.paper import text_width, wrapped

    text = "unpruned: flamingo 99.7 % and 12 % more"
    for width in np.linspace(0.5, text_width(text, 7), 30):
        lines = wrapped(text, width, 7)
        assert not any(line.startswith("%") for line in lines)


def test_what_follows_a_percentage_stays_with_it():
    from papr_core.figures.paper import wrapped

    words = "49 of 196 patches kept (25 %), 12 % of them; k = 49."
    assert wrapped(words, 20, 6.5) == [words]
    lines = wrapped(words, 0.7, 6.5)
    assert "(25 %)," in " | ".join(lines)
    assert " ".join(lines) == words
