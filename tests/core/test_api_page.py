"""docs/api.md is what docs/api.py makes of the docstrings now, and they say what a caller needs."""

import importlib.util
import inspect
import pydoc

import pytest
from conftest import ROOT

import papr_core

FUNCTIONS = [name for name in papr_core.__all__ if inspect.isfunction(getattr(papr_core, name))]


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("api", ROOT / "docs" / "api.py")
    api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(api)
    assert api.FILE.read_text(encoding="utf-8") == api.page(), (
        "PYTHONPATH=. python docs/api.py writes it anew"
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_has_types_and_says_what_it_raises(name):
    function = getattr(papr_core, name)
    found = inspect.signature(function)
    assert found.return_annotation is not found.empty
    assert all(one.annotation is not one.empty for one in found.parameters.values())
    assert "Raises" in inspect.getdoc(function) or name == "min_max"  # which refuses nothing


@pytest.mark.parametrize("name", ["Backbone", "TokenBackbone", "PixelBackbone", "Proposal"])
def test_help_begins_with_what_is_ours(name):
    """What every torch module has comes after it."""
    text = pydoc.plain(pydoc.render_doc(getattr(papr_core, name)))
    own = text[: text.index("Methods inherited from torch.nn.modules.module.Module")]
    assert "normalise(" in own
    assert len(own.splitlines()) < 200
