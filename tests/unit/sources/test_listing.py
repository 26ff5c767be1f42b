"""What sites are asked, and which files are chosen from their answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.source_errors import NotAWeightsFile, SourceFailed, SourceMissing, UnsafeFile
from server.sources.client import SourceClient
from server.sources.kinds import Civitai, Hub, Url
from server.sources.layout import choose
from server.sources.listing import list_files
from server.sources.manifest import PART, PLAIN, Manifest, RemoteFile, Selection, is_safe
from server.sources.references import parse
from tests.fake_sources import COMMIT, FakeSources, answer, sha256, weights

INDEX = {
    "_class_name": "SomePipeline",
    "transformer": ["diffusers", "SomeTransformer2DModel"],
    "text_encoder": ["transformers", "T5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "safety_checker": [None, None],
    "requires_safety_checker": False,
}

#: A repository as they are: both variants, pickles, single files, other programs' formats.
NAMES = [
    "README.md",
    "model_index.json",
    "single.safetensors",
    "single.gguf",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/pytorch_model.bin",
    "text_encoder/model.onnx",
    "text_encoder/flax_model.msgpack",
    "tokenizer/merges.txt",
    "tokenizer/spiece.model",
    "tokenizer/tokenizer_config.json",
    "transformer/config.json",
    "transformer/diffusion_pytorch_model-00001-of-00002.safetensors",
    "transformer/diffusion_pytorch_model-00002-of-00002.safetensors",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
    "transformer/diffusion_pytorch_model.bin.index.json",
    "transformer/other.safetensors",
    "vae_1_0/diffusion_pytorch_model.safetensors",
]
TEXTS = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/merges.txt",
    "tokenizer/spiece.model",
    "tokenizer/tokenizer_config.json",
]
TRANSFORMER = [name for name in NAMES if "transformer/" in name and ".bin" not in name][:-1]


def chosen(
    names: Sequence[str], variant: str | None = None, without: Sequence[str] = ()
) -> list[str]:
    return sorted(choose(names, INDEX, Selection(variant, frozenset(without))).files)


def test_of_a_pipeline_only_what_diffusers_loads_is_chosen() -> None:
    plain = sorted([*TEXTS, *TRANSFORMER, "text_encoder/model.safetensors"])
    assert chosen(NAMES) == plain


def test_a_variant_is_preferred_where_a_component_has_it() -> None:
    half = sorted([*TEXTS, *TRANSFORMER, "text_encoder/model.fp16.safetensors"])
    assert chosen(NAMES, "fp16") == half


def test_components_that_come_from_elsewhere_are_left_out() -> None:
    files = chosen(NAMES, without=["transformer", "tokenizer"])
    assert {name.partition("/")[0] for name in files} == {
        "model_index.json",
        "scheduler",
        "text_encoder",
    }


def test_only_one_component_is_left_of_a_pipeline() -> None:
    files = choose(NAMES, INDEX, Selection(only="text_encoder")).files
    assert sorted(files) == ["text_encoder/config.json", "text_encoder/model.safetensors"]
    files = choose(NAMES, INDEX, Selection("fp16", only="text_encoder")).files
    assert "text_encoder/model.fp16.safetensors" in files
    with pytest.raises(SourceMissing, match="no component `vae`"):
        choose(NAMES, INDEX, Selection(only="vae"))
    part = ["config.json", "diffusion_pytorch_model.safetensors"]
    assert sorted(choose(part, None, Selection(only="vae")).files) == part


def test_a_selection_covers_what_it_holds() -> None:
    whole, one = Selection(), Selection(only="vae")
    rest, bare = Selection(without=frozenset({"vae"})), Selection(bare=frozenset({"vae"}))
    assert whole.covers(one) and one.covers(one)
    assert not one.covers(whole) and not one.covers(rest) and not one.covers(Selection(only="unet"))
    assert not rest.covers(one) and not bare.covers(one)
    assert rest.covers(Selection(only="unet"))


def test_shards_of_a_variant_come_with_their_own_index() -> None:
    names = [
        "config.json",
        "model.safetensors.index.json",
        "model.safetensors.index.fp16.json",
        "model-00001-of-00001.safetensors",
        "model.fp16-00001-of-00002.safetensors",
        "model-00002-of-00002.fp16.safetensors",
    ]
    assert sorted(choose(names, None, Selection("fp16")).files) == [
        "config.json",
        "model-00002-of-00002.fp16.safetensors",
        "model.fp16-00001-of-00002.safetensors",
        "model.safetensors.index.fp16.json",
    ]


def test_a_missing_shard_is_no_set_of_weights() -> None:
    names = [name for name in NAMES if "00001-of" not in name]
    with pytest.raises(SourceMissing, match="transformer"):
        chosen(names)


def test_weights_that_are_pickles_only_are_refused() -> None:
    names = [name for name in NAMES if not name.startswith("text_encoder/model")]
    with pytest.raises(UnsafeFile, match=r"text_encoder.*pickles"):
        chosen(names)


def test_weights_of_another_variant_only_are_told() -> None:
    names = [name for name in NAMES if name != "text_encoder/model.safetensors"]
    with pytest.raises(SourceMissing, match=r"text_encoder.*fp16"):
        chosen(names)


@pytest.mark.parametrize(
    ("names", "files", "main"),
    [
        (["README.md", "one.safetensors"], {"one.safetensors"}, "one.safetensors"),
        (
            ["config.json", "diffusion_pytorch_model.safetensors", "big.safetensors"],
            {"config.json", "diffusion_pytorch_model.safetensors"},
            "",
        ),
        (["scheduler_config.json", "x.png"], {"scheduler_config.json"}, ""),
    ],
)
def test_other_layouts(names: list[str], files: set[str], main: str) -> None:
    result = choose(names, None, Selection())
    assert (set(result.files), result.main) == (files, main)


def test_several_single_files_are_named() -> None:
    with pytest.raises(SourceMissing, match=r"a\.gguf, b/c\.safetensors"):
        choose(["a.gguf", "b/c.safetensors", "x.gguf"], None, Selection())
    with pytest.raises(UnsafeFile):
        choose(["x.ckpt"], None, Selection())
    with pytest.raises(SourceMissing):
        choose(["README.md"], None, Selection())


# --- the hub -------------------------------------------------------------------------------


def repository_files() -> dict[str, bytes]:
    files = {name: name.encode() for name in NAMES}
    for number, name in enumerate(NAMES):
        if name.endswith(".safetensors"):
            files[name] = weights(100 + number)
    return {**files, "model_index.json": json.dumps(INDEX).encode()}


async def listed(client: SourceClient, text: str, selection: Selection = PLAIN) -> Manifest:
    reference = parse(text)
    assert isinstance(reference, Hub | Civitai)
    return await list_files(reference, client, selection)


async def test_a_repository_is_listed_at_its_commit_with_sizes_and_hashes(
    fake: FakeSources, client: SourceClient
) -> None:
    files = repository_files()
    fake.add_repository("org/name", files)
    manifest = await listed(client, "org/name@v1", Selection("fp16"))
    assert manifest.revision == COMMIT and manifest.main == ""
    assert {file.path for file in manifest.files} == set(chosen(NAMES, "fp16"))
    file = next(file for file in manifest.files if file.path.endswith("model.fp16.safetensors"))
    data = files[file.path]
    assert file == RemoteFile(
        file.path,
        f"{fake.hub_url}/org/name/resolve/{COMMIT}/{file.path}",
        len(data),
        sha256(data),
    )


async def test_a_file_and_a_folder_of_a_repository(fake: FakeSources, client: SourceClient) -> None:
    fake.add_repository("org/name", repository_files())
    one = await listed(client, "org/name/single.gguf")
    assert ([file.path for file in one.files], one.main) == (["single.gguf"], "single.gguf")
    folder = await listed(client, "org/name/transformer")
    assert sorted(file.path for file in folder.files) == sorted(TRANSFORMER)
    assert folder.main == "transformer"
    with pytest.raises(SourceMissing, match=r"single\.safetensors"):
        await listed(client, "org/name/singel.safetensors")
    with pytest.raises(SourceMissing):
        await listed(client, "org/name/nowhere")


async def test_a_branch_with_a_slash_is_one_word_of_the_address(
    fake: FakeSources, client: SourceClient
) -> None:
    fake.add_repository("org/name", repository_files())
    with pytest.raises(SourceMissing, match="No such revision"):
        await listed(client, "org/name@refs/pr/3")
    assert fake.seen[-1].path == "/api/models/org/name/revision/refs/pr/3"


@pytest.mark.parametrize("name", ["../evil.safetensors", "/evil.gguf", "a\\b.gguf", "c:x.gguf"])
async def test_a_file_that_would_leave_its_folder_is_refused(
    fake: FakeSources, client: SourceClient, name: str
) -> None:
    assert not is_safe(name)
    fake.add_repository("org/name", {name: b"GGUF"})
    with pytest.raises(SourceFailed):
        await listed(client, "org/name")


@pytest.mark.parametrize("letter", ["x", "é", "漢", "\ud800"])
def test_a_name_has_room_for_what_is_added_to_it(letter: str, tmp_path: Path) -> None:
    for length in range(1, 260):
        name = letter * length
        if is_safe(name):
            (tmp_path / f".{name}{PART}").touch()
        else:
            break
    with pytest.raises((OSError, UnicodeError)):
        (tmp_path / f".{name}{PART}").touch()


async def test_an_answer_of_another_shape_is_told(fake: FakeSources, client: SourceClient) -> None:
    fake.fail("/api/models/org/name/revision/main", answer(200, b'{"sha": "../../x"}'))
    with pytest.raises(SourceFailed, match="as it should"):
        await listed(client, "org/name")


# --- civitai -------------------------------------------------------------------------------


async def test_a_version_is_its_primary_file(fake: FakeSources, client: SourceClient) -> None:
    data = weights(5000)
    record = fake.add_version(456, 123, data)
    record["files"].insert(0, {**record["files"][0], "id": 1, "primary": False, "name": "x.gguf"})
    record["files"].insert(0, {**record["files"][0], "id": 2, "name": "x.pt"})
    for text in ("civitai:123@456", "civitai:@456", "urn:air:sdxl:checkpoint:civitai:123@456"):
        manifest = await listed(client, text)
        (file,) = manifest.files
        assert (file.path, file.sha256, file.exact) == (
            "4560/model_456.safetensors",
            sha256(data),
            False,
        )
        assert file.size is not None and abs(file.size - len(data)) < 11
        assert (manifest.revision, manifest.main) == ("456", "4560/model_456.safetensors")
    assert (await listed(client, "civitai:@456+1")).main == "1/x.gguf"
    with pytest.raises(UnsafeFile, match=r"x\.pt"):
        await listed(client, "civitai:@456+2")
    with pytest.raises(SourceMissing, match=r"model_456\.safetensors"):
        await listed(client, "civitai:@456+3")


async def test_filters_choose_among_the_files(fake: FakeSources, client: SourceClient) -> None:
    record = fake.add_version(456, 123, weights())
    full = {"format": "SafeTensor", "size": "full", "fp": "fp32"}
    other = {**record["files"][0], "primary": False, "name": "full.safetensors", "metadata": full}
    record["files"].append(other)
    assert (await listed(client, "civitai:@456?fp=FP32&size=full")).main == "4560/full.safetensors"
    with pytest.raises(SourceMissing):
        await listed(client, "civitai:@456?format=GGUF")


async def test_a_model_is_its_newest_published_version(
    fake: FakeSources, client: SourceClient
) -> None:
    for version in (1, 2, 3):
        fake.add_version(version, 123, weights())
    fake.models[123]["modelVersions"][0]["status"] = "Draft"
    assert (await listed(client, "civitai:123")).revision == "2"
    fake.models[123]["modelVersions"].clear()
    with pytest.raises(SourceMissing, match="published"):
        await listed(client, "civitai:123")


async def test_what_cannot_be_downloaded_from_civitai_is_told(
    fake: FakeSources, client: SourceClient
) -> None:
    with pytest.raises(SourceMissing, match="No version"):
        await listed(client, "civitai:@456")
    record = fake.add_version(456, 123, weights())
    with pytest.raises(SourceMissing, match="belongs to model 123"):
        await listed(client, "civitai:124@456")
    record["usageControl"] = "Generation"
    with pytest.raises(SourceMissing, match="author"):
        await listed(client, "civitai:@456")


# --- addresses -----------------------------------------------------------------------------


async def test_an_address_is_one_file_named_by_itself_or_by_the_site(
    fake: FakeSources, client: SourceClient
) -> None:
    data = weights()
    fake.blobs["x.safetensors"] = data
    manifest = await list_files(Url(f"{fake.files_url}/blobs/x.safetensors"), client)
    assert (manifest.files[0].size, manifest.main) == (len(data), "x.safetensors")
    named = answer(200, data, Content_Disposition='attachment; filename="../y.gguf"')
    fake.fail("/blobs/download", named)
    manifest = await list_files(Url(f"{fake.files_url}/blobs/download"), client)
    assert (manifest.files[0].size, manifest.main) == (len(data), "y.gguf")


async def test_an_address_of_something_else_is_refused(
    fake: FakeSources, client: SourceClient
) -> None:
    fake.blobs["x.zip"] = b"PK"
    with pytest.raises(NotAWeightsFile, match=r"x\.zip"):
        await list_files(Url(f"{fake.files_url}/blobs/x.zip"), client)
    pickled = answer(200, b"x", Content_Disposition="attachment; filename=x.ckpt")
    fake.fail("/blobs/download", pickled)
    with pytest.raises(UnsafeFile):
        await list_files(Url(f"{fake.files_url}/blobs/download"), client)
    with pytest.raises(NotAWeightsFile, match="web page"):
        await list_files(Url(f"{fake.hub_url}/some/page"), client)
