"""Converts a GGUF file to an OpenVINO model; runs in a child process, so that the caller never loads OpenVINO."""

from __future__ import annotations

from pathlib import Path


def save_openvino_model(gguf_path: Path) -> None:
    """Write `openvino_model.xml` and `openvino_model.bin` beside a GGUF file.

    OpenVINO GenAI also writes its own tokenizer models (`openvino_tokenizer.*`, `openvino_detokenizer.*`) there.

    Args:
        gguf_path: a GGUF file of an architecture that OpenVINO GenAI reads (llama, qwen2 or qwen3).

    Raises:
        Exception: OpenVINO GenAI cannot read the file or cannot write beside it. Its binding chooses the type: usually
            RuntimeError, IndexError for a missing field.
    """
    # Not at the top: the parent imports this module to name the function.
    import openvino_genai

    openvino_genai.LLMPipeline(str(gguf_path), "CPU", enable_save_ov_model=True)
