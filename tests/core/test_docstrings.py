"""The examples in the docstrings: every public module has one, and each gives what it says."""

import doctest
import importlib

import pytest
from conftest import ROOT

import papr_core
from papr_core.models.weights import configured

MODULES = sorted({f"papr_core.{module}" for module in papr_core._PUBLIC.values()} | {"papr_core.cost"})


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("PAPR_WEIGHTS", raising=False)
    flags = doctest.ELLIPSIS
    with configured():  # an example may call `configure`
        done = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert done.attempted, f"{name} has no example"
    assert not done.failed
