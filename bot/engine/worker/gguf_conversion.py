"""Turns a GGUF file into an OpenVINO model. Meant to be run in a child process of its own."""

from __future__ import annotations

from pathlib import Path


def save_openvino_model(gguf_path: Path) -> None:
    """Write `openvino_model.xml` and `openvino_model.bin` beside a GGUF file.

    OpenVINO GenAI also writes its own tokenizer models (`openvino_tokenizer.*`, `openvino_detokenizer.*`) there.

    Args:
        gguf_path: a GGUF file of an architecture that OpenVINO GenAI reads (llama, qwen2 or qwen3).

    Raises:
        Exception: OpenVINO GenAI cannot read the file or cannot write beside it. The type is whatever its binding
            makes of the C++ error: RuntimeError as a rule, IndexError for a field that is missing.
    """
    # Imported here so that the parent, which only names this function, never loads OpenVINO.
    import openvino_genai

    openvino_genai.LLMPipeline(str(gguf_path), "CPU", enable_save_ov_model=True)
