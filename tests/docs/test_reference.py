from __future__ import annotations

import re

import pytest
import yaml

from holdfast.settings import Settings
from tests.docs.pages import FILES, PAGES, REFERENCE, ROOT


@pytest.mark.parametrize("file", PAGES)
def test_a_generated_page_is_fresh(file: str) -> None:
    assert (REFERENCE / file).read_text() == PAGES[file](), "run: python -m tests.docs.pages"


@pytest.mark.parametrize("file", FILES)
def test_a_generated_file_is_fresh(file: str) -> None:
    assert (ROOT / file).read_text() == FILES[file](), "run: python -m tests.docs.pages"


def test_every_page_of_the_reference_is_generated() -> None:
    assert {page.name for page in REFERENCE.iterdir()} == set(PAGES)


def test_every_setting_says_what_it_does() -> None:
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []


@pytest.mark.parametrize("page", ["architecture.md", "invariants.md"])
def test_the_map_names_only_places_that_are_there(page: str) -> None:
    named = re.findall(r"`((?:functions|operator|tests)/[^`<]*)`", (ROOT / "docs" / page).read_text())
    assert len(named) > 20
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_the_way_to_a_cluster_of_kind_is_one_and_the_same_and_takes_five_commands() -> None:
    [shown] = {
        re.findall(r"```text\n(kind create.*?)```", (ROOT / page).read_text(), re.DOTALL)[0]
        for page in ("README.md", "docs/guides/chart.md")
    }
    [node] = yaml.safe_load((ROOT / "kind-config.yaml").read_text())["nodes"]
    [port] = node["extraPortMappings"]
    profile = yaml.safe_load((ROOT / "k8s/profiles/kind.yaml").read_text())
    assert f"ports.web.nodePort={port['containerPort']}\n" in shown
    assert f"--url {profile['ingress']['publicUrl']}\n" in shown
    assert profile["ingress"]["publicUrl"] == f"http://localhost:{port['hostPort']}"
    assert "--config kind-config.yaml" in shown
    assert (
        f"http://{shown.split('helm install ')[1].split()[0]}.{shown.split('--namespace ')[1].split()[0]}" == profile["test"]["url"]
    )
    words = [line.split()[0] for line in shown.splitlines()]
    assert words == ["kind", "helm", "skaffold", ".venv/bin/holdfast", ".venv/bin/holdfast"]
    [uploaded] = re.findall(r"holdfast upload (.+)", shown)
    assert (ROOT / uploaded).exists()
    [release] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())["deploy"]["helm"]["releases"]
    assert [ROOT / one for one in release["valuesFiles"]] == [ROOT / "k8s/profiles/kind.yaml"]
    assert profile["registration"] == "open", "the fourth command registers"


def test_the_limits_of_three_ingress_controllers_are_in_the_guide() -> None:
    text = (ROOT / "docs/guides/chart.md").read_text()
    rows = dict(re.findall(r"^\| (ingress-nginx|Traefik|HAProxy)[^|]* \| (.+) \|$", text, re.MULTILINE))
    for limit in ("proxy-body-size", "proxy-request-buffering", "proxy-read-timeout"):
        assert f"nginx.ingress.kubernetes.io/{limit}" in rows["ingress-nginx"]
    assert "no limit" in rows["Traefik"]
    assert "readTimeout" in rows["Traefik"]
    assert "haproxy.org/timeout-server" in rows["HAProxy"]


def test_policies_jobs_find_their_image_in_kind_under_the_tag_that_the_operator_is_told() -> None:
    config, profile = (yaml.safe_load((ROOT / file).read_text()) for file in ("skaffold.yaml", "k8s/profiles/kind.yaml"))
    [hook] = config["deploy"]["helm"]["hooks"]["before"]
    assert f" holdfast/worker:{profile['image']['tag']} " in hook["host"]["command"][-1]
