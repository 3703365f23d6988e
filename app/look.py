"""Everything the browser needs beside Gradio's own and the scripts (scripts.py): theme, fonts and style."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from .parts.arrival import methods
from .scripts import boot

__all__ = ["options", "style"]

STATIC = Path(__file__).resolve().parent / "static"
WEIGHTS = {400: "Inter-Regular", 500: "Inter-Medium", 600: "Inter-SemiBold"}

STYLES = ("page", "paper_figure", "proposals", "video", "cost", "learn")


def options() -> dict[str, Any]:
    """What `launch` takes for the look.

    The style stands in the head, not in `css=`: Gradio doubles every rule given there with a prefix, which
    breaks selectors that hold a comma.
    """
    return {"theme": theme(), "head": head()}


def head() -> str:
    """Fonts and style inline: no request, here or elsewhere; and what fetches the scripts."""
    return (
        '<meta name="description" content="Which patches does a vision transformer need?">'
        f"<style>{style()}</style>"
        f"<script>{boot()}</script>"
    )


def style() -> str:
    """Fonts, rules and the methods' colours: all that is not Gradio's."""
    faces = "".join(
        f"@font-face{{font-family:'Inter UI';font-weight:{weight};font-display:block;"
        f"src:url(data:font/woff2;base64,{_base64(STATIC / 'fonts' / f'{name}.woff2')}) format('woff2')}}"
        for weight, name in WEIGHTS.items()
    )
    rules = "\n".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)
    colours = "\n".join(
        f".{ground}p-{name.replace('+', 'p')} {{ --m: {colour}; }}"
        for name, method in methods().items()
        for ground, colour in zip(("", "dark ."), method["colours"])
    )
    return f"{faces}\n{rules}\n{colours}"


@cache
def theme() -> gr.themes.Base:
    """Quiet surfaces, one blue, light and dark; page.css has the same colours as variables."""
    return gr.themes.Base(
        font=["Inter UI", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    ).set(
        body_background_fill="#fbfbf9",
        body_background_fill_dark="#101215",
        body_text_color="#17181a",
        body_text_color_dark="#f0f0ee",
        body_text_color_subdued="#5d6067",
        body_text_color_subdued_dark="#a5a8af",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1a1c20",
        background_fill_secondary="#f4f4f1",
        background_fill_secondary_dark="#16181c",
        border_color_primary="#e6e6e2",
        border_color_primary_dark="#2a2d33",
        border_color_accent="#3b50d6",
        border_color_accent_dark="#8c9bff",
        color_accent="#3b50d6",
        color_accent_soft="#f2f3ff",
        color_accent_soft_dark="#20243a",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_padding="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_text_weight="600",
        block_title_text_size="13px",
        block_info_text_size="12px",
        section_header_text_size="13px",
        section_header_text_weight="600",
        block_info_text_color="*body_text_color_subdued",
        block_info_text_color_dark="*body_text_color_subdued",
        form_gap_width="0px",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1a1c20",
        input_border_color="#dcdcd7",
        input_border_color_dark="#33373e",
        input_border_color_focus="#3b50d6",
        input_border_color_focus_dark="#8c9bff",
        input_border_width="1px",
        input_shadow="none",
        input_text_size="13px",
        slider_color="#3b50d6",
        slider_color_dark="#8c9bff",
        checkbox_background_color_selected="#3b50d6",
        checkbox_background_color_selected_dark="#8c9bff",
        checkbox_border_color_selected="#3b50d6",
        checkbox_border_color_selected_dark="#8c9bff",
        checkbox_label_background_fill="#ffffff",
        checkbox_label_background_fill_dark="#1a1c20",
        checkbox_label_background_fill_selected="#f2f3ff",
        checkbox_label_background_fill_selected_dark="#20243a",
        checkbox_label_border_color="#dcdcd7",
        checkbox_label_border_color_dark="#33373e",
        checkbox_label_border_color_selected="#cfd4fb",
        checkbox_label_border_color_selected_dark="#3a4170",
        checkbox_label_border_width="1px",
        checkbox_label_padding="5px 9px",
        checkbox_label_gap="6px",
        checkbox_label_shadow="none",
        checkbox_label_text_size="13px",
        checkbox_label_text_weight="400",
        layout_gap="14px",
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
