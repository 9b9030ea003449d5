"""What brings the servers: ``install.sh``."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("install.sh")


def test_no_program_is_mistaken_for_a_function_of_the_script() -> None:
    """``command -v`` finds functions before programs: one named after its program is there always."""
    text = SCRIPT.read_text()
    functions = set(re.findall(r"^(\w+)\(\)", text, re.MULTILINE))
    programs = set(re.findall(r"\bhas ([\w.-]+)", text))
    assert {"chromium", "mariadbd", "promtool"} <= programs
    assert functions & programs == set()


def test_a_word_that_it_does_not_know_is_told_the_ones_that_it_knows() -> None:
    done = subprocess.run(["sh", str(SCRIPT), "everything"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: install.sh uv|servers\n"
