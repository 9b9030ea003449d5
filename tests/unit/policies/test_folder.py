"""A folder of policies: what is read of it, and that a policy's name stands for one policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.errors import Invalid
from holdfast.policies import folder
from holdfast.policies.model import AssetPolicy
from holdfast.policies.validating import validated


def policy(name: str = "one", days: int = 1) -> AssetPolicy:
    spec = {"workspaces": {"all": True}, "archive": {"afterDays": days}}
    return validated({"metadata": {"name": name, "namespace": "media"}, "spec": spec})


def test_a_policy_is_written_read_and_removed(tmp_path: Path) -> None:
    assert folder.read(tmp_path / "none") == folder.NONE
    assert folder.put(tmp_path, policy())
    assert not folder.put(tmp_path, policy()), "it says the same already"
    assert folder.put(tmp_path, policy(days=2))
    assert folder.read(tmp_path).policies == {"media/one": policy(days=2)}
    folder.remove(tmp_path, policy())
    assert list(tmp_path.iterdir()) == []


def test_a_second_file_of_the_same_policy_is_wrong(tmp_path: Path) -> None:
    folder.put(tmp_path, policy("other"))
    folder.put(tmp_path, policy())
    (tmp_path / "zzz.yaml").write_bytes((tmp_path / "media.one.yaml").read_bytes())
    found = folder.read(tmp_path)
    assert found.wrong == {"zzz.yaml": "media/one is in media.one.yaml already."}
    with pytest.raises(Invalid, match="media/one is in"):
        found.check()


def test_what_is_applied_or_deleted_is_so_in_whatever_file_it_was(tmp_path: Path) -> None:
    folder.put(tmp_path, policy())
    (tmp_path / "media.one.yaml").rename(tmp_path / "by hand.yaml")
    folder.put(tmp_path, policy(days=2), folder.read(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["media.one.yaml"]
    assert folder.read(tmp_path).policies == {"media/one": policy(days=2)}
    (tmp_path / "by hand.yaml").write_bytes((tmp_path / "media.one.yaml").read_bytes())
    assert not folder.put(tmp_path, policy(days=2), folder.read(tmp_path))
    assert folder.read(tmp_path).wrong == {}
    (tmp_path / "media.one.yaml").rename(tmp_path / "by hand.yaml")
    folder.remove(tmp_path, policy(), folder.read(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_a_policys_by_either_way_to_write_yaml(tmp_path: Path) -> None:
    folder.put(tmp_path, policy())
    (tmp_path / "media.one.yaml").rename(tmp_path / "one.yml")
    (tmp_path / "media.one.new").write_text("what is being written")
    (tmp_path / "notes.txt").write_text("no policy")
    assert folder.read(tmp_path) == folder.Folder({"media/one": policy()}, {}, {"media/one": ["one.yml"]})


def test_a_key_that_is_there_twice_is_refused_and_named() -> None:
    text = "metadata: {name: one}\nspec:\n  mode: Preview\n  archive: {afterDays: 1}\n  mode: Enforce\n"
    with pytest.raises(Invalid, match=r"mode is there twice.*line 5"):
        folder.parse(text)
    anchors = "metadata: &own {name: one}\nspec: {workspaces: {all: true}, archive: {afterDays: 1}}\nother: {<<: *own, name: two}\n"
    assert folder.parse(anchors).key == "default/one"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", b"\xc3\x28", b"text", b"- a", b"a: [}", b"", b"\x00"])
def test_what_is_no_policy_is_told_whatever_its_bytes_are(tmp_path: Path, content: bytes) -> None:
    folder.put(tmp_path, policy())
    (tmp_path / "broken.yaml").write_bytes(content)
    found = folder.read(tmp_path)
    assert (set(found.policies), set(found.wrong)) == ({"media/one"}, {"broken.yaml"})
