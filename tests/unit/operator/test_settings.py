"""Where the operator's settings come from, and what is said of those that cannot be used."""

from __future__ import annotations

import pytest
from tests.unit.operator.policies import OWN, settings

from holdfast_operator.main import settings_of


def test_each_setting_is_an_option_and_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `k8s/operator/deployment.yaml`, which has variables only."""
    monkeypatch.setenv("HOLDFAST_OPERATOR_IMAGE", "from/variable:1")
    monkeypatch.setenv("HOLDFAST_OPERATOR_ENV_FROM", '["holdfast"]')
    monkeypatch.setenv("HOLDFAST_OPERATOR_NAMESPACES", '{"team-a": ["ada_space"]}')
    settings = settings_of([])
    assert (settings.image, settings.env_from, settings.namespaces) == ("from/variable:1", ["holdfast"], {"team-a": ["ada_space"]})
    assert settings_of(["--image", "from/option:1"]).image == "from/option:1"


def test_it_looks_everywhere_or_at_its_own_namespace_and_those_of_tenants() -> None:
    assert settings().watched() == [None]
    alone = settings(clusterwide=False, namespaces={"team-a": ["ada_space"]})
    assert alone.watched() == [OWN, "team-a"]
    assert [alone.looks_at(one) for one in (OWN, "team-a", "team-b")] == [True, True, False]
    assert settings_of(["--image=i", "--no-clusterwide"]).clusterwide is False


def test_what_is_missing_or_wrong_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settings_of(["--workers", "0"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--image or HOLDFAST_OPERATOR_IMAGE: Field required" in said
    assert "--workers or HOLDFAST_OPERATOR_WORKERS" in said
