from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.networks import encoder_of, photograph_encoder, small_network
from support.pictures import encode, photographs

from ingest_guard import BlocklistError, Guard, Outcome, Policy, PolicyError, Reason
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.cli.main import cli
from ingest_guard.errors import GuardFailedError
from ingest_guard.guard.check_set import attest
from ingest_guard.hashing.onnx import Encoding, install
from ingest_guard.hashing.registry import run
from ingest_guard.policy.networks import Encoder
from ingest_guard.testing import DrawnFrame
from ingest_guard.verdict import Action
from ingest_guard.workers.inline import InlinePool
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from pathlib import Path


def guard_of(folder: Path, said: dict[str, Any], pictures: list[Image.Image], **keys: Any) -> Guard:
    """Return a guard for the list ``ours`` of the vectors of some pictures."""
    encoder = Encoder.model_validate(said)
    install({"our_vectors": encoder})
    hasher = Encoding("our_vectors", encoder)
    rows = [run(hasher, DrawnFrame.of(picture))[0].hex() for picture in pictures]
    (folder / "ours.txt").write_text("".join(f"our_vectors {row}\n" for row in rows))
    build(folder / "b", [ListSource("ours", "plain", folder / "ours.txt")])
    policy = {"blocklist": folder / "b", "encoders": {"our_vectors": said}, "workers": 1, **keys}
    return Guard.from_policy(Policy.model_validate(policy))


def crop(picture: Image.Image, share: float) -> bytes:
    """Return a picture without a share of its width and height, as a JPEG."""
    width, height = picture.size
    return encode(picture.crop((int(width * share), int(height * share), width, height)), "JPEG")


def test_crops_of_listed_photographs_are_held_and_no_other(tmp_path: Path) -> None:
    """In isolated workers: crops and turned copies, which PDQ loses, match; the other half of the pictures does not."""
    every = list(photographs().values())
    listed, others = every[::2], every[1::2]
    guard = guard_of(tmp_path, photograph_encoder(0.85), listed)
    turned = [encode(each.rotate(3), "JPEG") for each in listed]
    changed = [*(crop(each, share) for each in listed for share in (0.05, 0.1, 0.2)), *turned]
    plain = [encode(each, "JPEG") for each in others]

    async def scan() -> list[Any]:
        pool = WorkerPool(guard, lambda _: None)
        pool.start()
        try:
            await asyncio.wait_for(pool.ready(), 60)
            return list(await asyncio.gather(*(pool.scan(each) for each in [*changed, *plain])))
        finally:
            pool.close()

    scans = asyncio.run(scan())
    assert all(each.matches for each in scans[: len(changed)])
    assert [(each.matches, each.reason) for each in scans[len(changed) :]] == [((), None)] * len(plain)
    verdict = guard.conclude(guard.begin(changed[0]), scans[:1])
    assert (verdict.outcome, verdict.action) == (Outcome.MATCH, Action.HOLD)


@pytest.mark.parametrize(
    ("rules", "more", "action"),
    [
        ({}, "", Action.HOLD),
        ({"owner": "us"}, "", Action.HOLD),
        ({"action": "drop"}, "", Action.DROP),
        ({"action": "drop_page"}, "", Action.DROP_PAGE),
        ({}, f"md5 {'0' * 31}1\n", Action.DROP),
        ({"action": "hold"}, f"md5 {'0' * 31}1\n", Action.HOLD),
    ],
)
def test_a_list_of_vectors_alone_holds(tmp_path: Path, rules: dict[str, str], more: str, action: Action) -> None:
    """Its matches are held unless the policy says what they do; a list that has other values, too, drops."""
    said = encoder_of(tmp_path, small_network())
    guard = guard_of(tmp_path, said, [next(iter(photographs().values()))])
    (tmp_path / "ours.txt").write_text((tmp_path / "ours.txt").read_text() + more)
    build(tmp_path / "b", [ListSource("ours", "plain", tmp_path / "ours.txt")])
    policy = guard.policy.model_copy(update={"lists": {}})
    policy = Policy.model_validate({**dict(policy), "lists": {"ours": rules}})
    assert Guard.from_policy(policy).action_on(["ours"]) is action


def test_the_check_set_has_the_network_and_not_its_place(tmp_path: Path) -> None:
    """Another similarity, digest or size is another check set; another folder is the same."""
    said = encoder_of(tmp_path, small_network())
    guard = guard_of(tmp_path, said, [next(iter(photographs().values()))])

    def check_set(**keys: Any) -> str:
        encoders = {"our_vectors": Encoder.model_validate({**said, **keys})}
        policy = guard.policy.model_copy(update={"encoders": encoders})
        return str(attest(guard.blocklist, policy, guard.allowed)["check_set"])

    assert check_set() == check_set(file=tmp_path / "elsewhere") == guard.attestation["check_set"]
    others = ({"similarity": 0.91}, {"sha256": "0" * 64}, {"size": 9}, {"output": "y"})
    assert len({check_set(), *(check_set(**keys) for keys in others)}) == 5


@pytest.mark.parametrize("workers", [1, "inline"])
def test_a_bad_network_stops_the_start(tmp_path: Path, workers: int | str) -> None:
    """The workers do not come up, and the error says which key of the policy is wrong."""
    picture = next(iter(photographs().values()))
    said = encoder_of(tmp_path, small_network())
    good = guard_of(tmp_path, said, [picture], workers=workers)
    policy = good.policy.model_copy(
        update={"encoders": {"our_vectors": Encoder.model_validate({**said, "output": "nowhere"})}}
    )
    guard = Guard.from_policy(policy)
    assert guard.check(encode(picture)).reason is Reason.HASHER_FAILED

    async def start() -> None:
        pool = InlinePool(guard) if workers == "inline" else WorkerPool(guard, lambda _: None)
        pool.start()
        try:
            await asyncio.wait_for(pool.ready(), 60)
        finally:
            pool.close()

    with pytest.raises((GuardFailedError, PolicyError), match=r"encoders\.our_vectors: .*correct the key"):
        asyncio.run(start())


def test_a_list_of_vectors_is_built_and_checked_by_the_policy(tmp_path: Path) -> None:
    """The commands build and check know an encoder by the policy alone, whose paths count from its own folder."""
    picture = next(iter(photographs().values()))
    said = encoder_of(tmp_path, small_network())
    guard_of(tmp_path, said, [picture])
    policy = tmp_path / "policy.yaml"
    policy.write_text(json.dumps({"blocklist": "c", "encoders": {"their_vectors": {**said, "file": "small.onnx"}}}))
    (tmp_path / "theirs.txt").write_text((tmp_path / "ours.txt").read_text().replace("our_", "their_"))
    (tmp_path / "picture.jpg").write_bytes(crop(picture, 0.02))
    listed = ["--list", f"theirs:plain:{tmp_path / 'theirs.txt'}", "--policy", str(policy)]
    built = CliRunner().invoke(cli, ["blocklist", "build", str(tmp_path / "c"), *listed], standalone_mode=False)
    assert built.return_value == 0, built.output
    checked = CliRunner().invoke(
        cli, ["check", "--policy", str(policy), str(tmp_path / "picture.jpg")], standalone_mode=False
    )
    assert (checked.return_value, json.loads(checked.output)["outcome"]) == (1, "match")


def test_no_record_has_a_vector(tmp_path: Path) -> None:
    """A vector says what a picture shows: neither records.hashes nor all hashes of all views take it in."""
    picture = next(iter(photographs().values()))
    said = encoder_of(tmp_path, small_network())
    guard = guard_of(tmp_path, said, [picture], records={"record_hashes": "all"})
    facts = guard.check(encode(list(photographs().values())[1])).image
    assert facts is not None
    assert {each.algorithm for each in facts.hashes} == {"pdq"}
    with pytest.raises(PolicyError, match=r"records\.hashes names our_vectors"):
        guard_of(tmp_path, said, [picture], records={"hashes": ("our_vectors",)})


def test_vectors_without_their_encoder_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blocklist with vectors does not open by a policy that has no such encoder, or one of another length."""
    picture = next(iter(photographs().values()))
    said = encoder_of(tmp_path, small_network())
    guard = guard_of(tmp_path, said, [picture])
    monkeypatch.setattr("ingest_guard.hashing.registry._DESCRIBED", {})
    with pytest.raises(BlocklistError, match="our_vectors"):
        Guard.from_policy(guard.policy.model_copy(update={"encoders": {}}))
    other = Encoder.model_validate({**said, "length": 191})
    with pytest.raises(BlocklistError, match="our_vectors"):
        Guard.from_policy(guard.policy.model_copy(update={"encoders": {"our_vectors": other}}))


def test_the_similarity_of_the_policy_counts(tmp_path: Path) -> None:
    """A list is built for every similarity: the policy that checks says what is near."""
    first, other = list(photographs().values())[:2]
    said = encoder_of(tmp_path, small_network())
    hasher = Encoding("our_vectors", Encoder.model_validate(said))
    a, b = (np.frombuffer(hasher.hash(DrawnFrame.of(each))[0], np.uint8) - 128.0 for each in (first, other))
    middle = Image.blend(first.resize((64, 64)), other.resize((64, 64)), 0.5)
    c = np.frombuffer(hasher.hash(DrawnFrame.of(middle))[0], np.uint8) - 128.0
    cosine = float(a @ c / np.linalg.norm(a) / np.linalg.norm(c))
    assert float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) < cosine
    guard = guard_of(tmp_path, said, [first])
    found = {}
    for similarity in (cosine + 0.05, cosine - 0.05):
        encoders = {"our_vectors": Encoder.model_validate({**said, "similarity": similarity})}
        changed = Guard.from_policy(guard.policy.model_copy(update={"encoders": encoders}))
        found[similarity > cosine] = changed.check(encode(middle)).outcome
    assert found == {True: Outcome.NO_KNOWN_MATCH, False: Outcome.MATCH}
