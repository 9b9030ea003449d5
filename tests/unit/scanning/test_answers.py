from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.scanning.answers import verdict
from holdfast.scanning.clamd import where
from holdfast.scanning.port import Result, ScannerUnavailable, Verdict


@pytest.mark.parametrize(
    ("answer", "result", "signature"),
    [
        ("stream: OK", Result.CLEAN, ""),
        ("stream: Win.Test.EICAR_HDB-1 FOUND", Result.INFECTED, "Win.Test.EICAR_HDB-1"),
        ("stream: A name with OK in it FOUND", Result.INFECTED, "A name with OK in it"),
        ("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND", Result.TOO_LARGE, ""),
        ("stream: Heuristics.Limits.Exceeded FOUND", Result.TOO_LARGE, ""),
        ("INSTREAM size limit exceeded. ERROR", Result.TOO_LARGE, ""),
        ("INSTREAM: Can't write to temporary file. ERROR", Result.ERROR, ""),
        ("stream: Can't allocate memory ERROR", Result.ERROR, ""),
        ("UNKNOWN COMMAND", Result.ERROR, ""),
        ("OK", Result.ERROR, ""),
        ("stream: OK stream: OK", Result.ERROR, ""),
        ("other: OK", Result.ERROR, ""),
    ],
)
def test_what_an_answer_means(answer: str, result: Result, signature: str) -> None:
    found = verdict(answer)
    assert (found.result, found.signature) == (result, signature)


@pytest.mark.parametrize("answer", ["", "COMMAND READ TIMED OUT", "INSTREAM: read timed out. ERROR"])
def test_what_says_nothing_about_the_bytes_is_asked_again(answer: str) -> None:
    with pytest.raises(ScannerUnavailable):
        verdict(answer)


@given(st.text())
def test_nothing_but_one_answer_is_clean(answer: str) -> None:
    try:
        found = verdict(answer)
    except ScannerUnavailable:
        return
    assert not found.passes or answer.strip() == "stream: OK"


def test_what_passes_is_what_is_clean_or_what_nobody_wants_scanned() -> None:
    assert {result for result in Result if Verdict(result).passes} == {Result.CLEAN, Result.NOT_SCANNED}


def test_addresses() -> None:
    assert where("clamd:3310") == ("clamd", 3310)
    assert where("[::1]:3310") == ("::1", 3310)
    assert where("unix:/run/clamav/clamd.ctl") == "/run/clamav/clamd.ctl"
    for wrong in ("", "clamd", ":3310", "clamd:", "clamd:0", "clamd:70000", "unix:clamd.ctl", "clamd:33x"):
        with pytest.raises(ValueError, match=r"socket|neither"):
            where(wrong)
